#include "bench/cli_group.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/child.h"
#include "bench/commands.h"

namespace nacre::bench {
namespace {

absl::Status NacreTrue() {
  std::vector<std::string> argv = NacreCommand("exec");
  argv.insert(argv.end(), {"--", "true"});
  auto child = Child::Spawn(argv);
  return child.ok() ? child->Finish().status() : child.status();
}

}  // namespace

CliGroup::CliGroup(absl::Duration slice)
    : slice_(slice),
      rows_({{.what = "nacre exec true, whole process, p50 ÷ ssh over a ControlMaster",
              .unit = "µs",
              .goal = Row::Goal::kAtMost,
              .bound = 1.0}}) {}

const std::vector<std::string>& CliGroup::Names() {
  static const auto& names = *new std::vector<std::string>{"cli"};
  return names;
}

std::unique_ptr<CliGroup> CliGroup::Start(absl::Duration slice) {
  std::unique_ptr<CliGroup> group(new CliGroup(slice));
  auto ssh = SshPeer::Start();
  if (ssh.ok()) {
    auto clients = (*ssh)->NewClients(1, kTrueText, 0);
    if (clients.ok()) {
      group->ssh_ = *std::move(ssh);
      group->ssh_true_ = *std::move(clients);
      return group;
    }
    ssh = clients.status();
  }
  group->left_out_ = std::string(ssh.status().message());
  return group;
}

absl::Status CliGroup::MeasureRound() {
  if (ssh_true_.empty()) return absl::OkStatus();
  const auto ssh = RepeatEach(ssh_true_, slice_);
  if (!ssh.ok()) return ssh.status();
  const auto nacre = Repeat(1, slice_, NacreTrue);
  if (!nacre.ok()) return nacre.status();
  Add(&rows_[0], nacre->p50_us, ssh->p50_us);
  return absl::OkStatus();
}

void CliGroup::PrintNotes(std::ostream& out) const {
  if (!left_out_.empty()) out << "- left out: cli: " << left_out_ << "\n";
}

}  // namespace nacre::bench
