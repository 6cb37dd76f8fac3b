#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "bench/measure.h"
#include "bench/peers/ssh_peer.h"
#include "bench/table.h"

namespace nacre::bench {

// What somebody at a terminal waits for: a whole `nacre exec true`, from the start of its process
// to its end, beside `ssh` over a connection that a ControlMaster holds. Not thread-safe.
class CliGroup {
 public:
  // Without OpenSSH there is nothing to compare with, and nothing is measured. `slice` is the time
  // of each timed measurement.
  static std::unique_ptr<CliGroup> Start(absl::Duration slice);

  static const std::vector<std::string>& Names();

  absl::Status MeasureRound();

  const std::vector<Row>& rows() const { return rows_; }
  void PrintNotes(std::ostream& out) const;

 private:
  explicit CliGroup(absl::Duration slice);

  const absl::Duration slice_;
  std::unique_ptr<SshPeer> ssh_;
  std::vector<Operation> ssh_true_;  // One client's; empty: left out.
  std::string left_out_;
  std::vector<Row> rows_;
};

}  // namespace nacre::bench
