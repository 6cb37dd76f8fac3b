#include "server/node_calls.h"

#include <limits.h>
#include <unistd.h>

#include <array>
#include <string>

#include "absl/strings/escaping.h"

namespace nacre {
namespace {

// Asked each time: a machine may get its name after its daemons. Escaped, as a name may be any
// bytes.
std::string HostName() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "";
  return absl::CHexEscape(name.data());
}

}  // namespace

// Of a front that retires the caller would hear of sessions that are the next one's already.
absl::Status GetNode(const Executor& executor, const v1::Node& facts,
                     v1::GetNodeResponse* response) {
  if (absl::Status status = executor.CheckServing(); !status.ok()) return status;
  v1::Node* node = response->mutable_node();
  *node = facts;
  node->set_epoch(executor.Epoch());
  node->set_host_name(HostName());
  node->set_running_sessions(static_cast<uint32_t>(executor.running()));
  node->set_ended_sessions(static_cast<uint32_t>(executor.retained()));
  node->set_draining(executor.draining());
  return absl::OkStatus();
}

}  // namespace nacre
