#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/table.h"
#include "nacre/client.h"

namespace nacre::bench {

struct PrivilegeOptions {
  // User, other than the node's own, whom commands may run as. Empty: not measured.
  std::string other_user;
  // A node that differs from the measured one only in that it uses no cgroups. Empty: not measured.
  std::string no_cgroup_node;
};

// What it costs to run a command as another user, and in a cgroup of its own, for Suite: exec
// beside exec. Not thread-safe.
class PrivilegeGroups {
 public:
  // Borrows `nacre`. `slice` is the time of each timed measurement.
  static absl::StatusOr<std::unique_ptr<PrivilegeGroups>> Start(client::Client& nacre,
                                                                const PrivilegeOptions& options,
                                                                absl::Duration slice);

  static const std::vector<std::string>& Names();

  // Adds one round of one of Names().
  absl::Status MeasureRound(const std::string& group);

  // What was measured so far.
  const std::vector<Row>& rows() const { return rows_; }
  // Says which group is left out, and why.
  void PrintNotes(std::ostream& out) const;

 private:
  PrivilegeGroups(client::Client& nacre, std::string other_user, absl::Duration slice);

  absl::Status MeasureOtherUser();
  absl::Status MeasureCgroup();

  client::Client& nacre_;
  const std::string other_user_;
  const absl::Duration slice_;
  std::unique_ptr<client::Client> no_cgroup_;  // Null: not measured.

  std::vector<Row> rows_;
  std::vector<std::string> left_out_;
};

}  // namespace nacre::bench
