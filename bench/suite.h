#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "bench/cli_group.h"
#include "bench/copy_group.h"
#include "bench/floor_client.h"
#include "bench/framed_groups.h"
#include "bench/measure.h"
#include "bench/privilege_groups.h"
#include "bench/table.h"
#include "nacre/client.h"

namespace nacre::bench {

struct SuiteOptions {
  absl::Duration slice;       // Of each timed measurement in a round.
  uint64_t stream_bytes = 0;  // Of each stream.
};

// All comparisons, measured round by round: within a round each floor stands next to what is
// measured against it. Not thread-safe.
class Suite {
 public:
  // Borrows them. What is null is not measured.
  Suite(client::Client& nacre, FloorClient& floors, CliGroup* cli, CopyGroup* copy,
        PrivilegeGroups* privileges, FramedGroups* framed, SuiteOptions options);

  // What can be measured by itself.
  static const std::vector<std::string>& Groups();
  // Those of them that are measured unless others are asked for: not those that take minutes.
  static const std::vector<std::string>& DefaultGroups();

  // Adds one round of one of Groups().
  absl::Status MeasureRound(const std::string& group);

  // Prints what was measured so far: the table, then the floors that it is made of.
  void Print(std::ostream& out) const;

 private:
  absl::Status MeasureExec();
  absl::Status MeasureRates();
  absl::Status MeasureStreamOut();
  absl::Status MeasureStreamIn();
  void PrintFloors(std::ostream& out) const;

  client::Client& nacre_;
  FloorClient& floors_;
  CliGroup* const cli_;
  CopyGroup* const copy_;
  PrivilegeGroups* const privileges_;
  FramedGroups* const framed_;
  const SuiteOptions options_;

  std::vector<Row> exec_, rates_, streams_out_, streams_in_;
  std::vector<Load> spawns_, spawns_8_, calls_;
};

}  // namespace nacre::bench
