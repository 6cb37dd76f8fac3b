#include "net/fd_budget.h"

#include <sys/resource.h>

#include <algorithm>

namespace nacre {
namespace {

// Channel, arenas, listeners, epoll, gRPC's own: some dozens.
constexpr size_t kOwnFds = 48;
constexpr size_t kLeast = 8;

}  // namespace

size_t FdBudget::OfThisProcess() {
  rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  return std::max(kLeast, files.rlim_cur > kOwnFds ? files.rlim_cur - kOwnFds : 0);
}

}  // namespace nacre
