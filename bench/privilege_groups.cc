#include "bench/privilege_groups.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/measure.h"
#include "bench/nacre_calls.h"

namespace nacre::bench {
namespace {

// A node to compare with, which must not use cgroups.
absl::StatusOr<std::unique_ptr<client::Client>> ConnectWithoutCgroup(const std::string& target) {
  auto node = client::Client::Connect({.target = target});
  if (!node.ok()) return node.status();
  const auto info = (*node)->GetNode();
  if (!info.ok()) return info.status();
  if (info->kill_method == client::KillMethod::kCgroup) {
    return absl::InvalidArgumentError(absl::StrCat(target, " uses cgroups"));
  }
  return node;
}

}  // namespace

PrivilegeGroups::PrivilegeGroups(client::Client& nacre, std::string other_user,
                                 absl::Duration slice)
    : nacre_(nacre),
      other_user_(std::move(other_user)),
      slice_(slice),
      rows_({{.what = "exec of true as another user, p50 ÷ exec as the node's", .unit = "µs"},
             {.what = "exec of true in a cgroup, p50 ÷ exec without", .unit = "µs"}}) {}

const std::vector<std::string>& PrivilegeGroups::Names() {
  static const auto& names = *new std::vector<std::string>{"user", "cgroup"};
  return names;
}

absl::StatusOr<std::unique_ptr<PrivilegeGroups>> PrivilegeGroups::Start(
    client::Client& nacre, const PrivilegeOptions& options, absl::Duration slice) {
  std::unique_ptr<PrivilegeGroups> groups(new PrivilegeGroups(nacre, options.other_user, slice));
  if (options.other_user.empty()) {
    groups->left_out_.push_back("user: there was no --other-user");
  }
  const auto node = nacre.GetNode();
  if (!node.ok()) return node.status();
  if (options.no_cgroup_node.empty()) {
    groups->left_out_.push_back("cgroup: there was no --no-cgroup-node");
  } else if (node->kill_method != client::KillMethod::kCgroup) {
    groups->left_out_.push_back("cgroup: the node has none to divide");
  } else {
    auto other = ConnectWithoutCgroup(options.no_cgroup_node);
    if (!other.ok()) return other.status();
    groups->no_cgroup_ = *std::move(other);
  }
  return groups;
}

absl::Status PrivilegeGroups::MeasureRound(const std::string& group) {
  if (group == "user") return other_user_.empty() ? absl::OkStatus() : MeasureOtherUser();
  if (group == "cgroup") return no_cgroup_ == nullptr ? absl::OkStatus() : MeasureCgroup();
  return absl::InvalidArgumentError(absl::StrCat("there is no group ", group));
}

absl::Status PrivilegeGroups::MeasureOtherUser() {
  const auto floor = Repeat(1, slice_, [this] { return ExecTrue(nacre_); });
  if (!floor.ok()) return floor.status();
  const auto other = Repeat(1, slice_, [this] { return ExecTrue(nacre_, other_user_); });
  if (!other.ok()) return other.status();
  Add(&rows_[0], other->p50_us, floor->p50_us);
  return absl::OkStatus();
}

absl::Status PrivilegeGroups::MeasureCgroup() {
  const auto floor = Repeat(1, slice_, [this] { return ExecTrue(*no_cgroup_); });
  if (!floor.ok()) return floor.status();
  const auto within = Repeat(1, slice_, [this] { return ExecTrue(nacre_); });
  if (!within.ok()) return within.status();
  Add(&rows_[1], within->p50_us, floor->p50_us);
  return absl::OkStatus();
}

void PrivilegeGroups::PrintNotes(std::ostream& out) const {
  for (const std::string& group : left_out_) out << "- left out: " << group << "\n";
}

}  // namespace nacre::bench
