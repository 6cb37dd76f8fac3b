#include "server/node_calls.h"

#include <limits.h>
#include <unistd.h>

#include <array>
#include <string>

#include "absl/strings/escaping.h"
#include "server/machine_load.h"

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
absl::Status GetNode(const Executor& executor, const Identity& identity, const v1::Node& facts,
                     v1::Node* node) {
  if (absl::Status status = executor.CheckServing(); !status.ok()) return status;
  *node = facts;
  node->set_epoch(executor.Epoch());
  node->set_host_name(HostName());
  node->set_running_sessions(static_cast<uint32_t>(executor.running()));
  node->set_ended_sessions(static_cast<uint32_t>(executor.retained()));
  node->set_draining(executor.draining());
  node->set_stopping(executor.stopping());
  v1::NodeLoad* load = node->mutable_load();
  ReadMachineLoad(load);
  load->set_own_running_sessions(static_cast<uint32_t>(executor.RunningOf(identity)));
  load->set_open_files(static_cast<uint32_t>(executor.files().open_files()));
  load->set_file_calls(static_cast<uint32_t>(executor.files().calls()));
  return absl::OkStatus();
}

}  // namespace nacre
