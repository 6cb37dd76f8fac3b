#include "client/cli/copy/interrupt.h"

#include <ctime>
#include <thread>
#include <utility>

namespace nacre::cli {
namespace {

// How long transfers may take to come to an end of their own.
constexpr timespec kStopPatience = {.tv_sec = 2, .tv_nsec = 0};

}  // namespace

void OnInterrupt(const sigset_t& held, std::function<void(int signal)> stop,
                 std::function<void(int signal)> leave) {
  sigset_t ending = held;
  sigdelset(&ending, SIGWINCH);
  std::thread([ending, stop = std::move(stop), leave = std::move(leave)] {
    int number = -1;
    while (number < 0) number = sigwaitinfo(&ending, nullptr);
    stop(number);
    (void)sigtimedwait(&ending, nullptr, &kStopPatience);
    leave(number);
  }).detach();
}

}  // namespace nacre::cli
