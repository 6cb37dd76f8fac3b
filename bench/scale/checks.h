#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nacre/client.h"

namespace nacre::bench {

// Sizes of the checks.
struct ScaleSizes {
  int streaming = 1000;  // Sessions at once, each with a mebibyte both ways.
  int idle = 5000;       // Sessions at once that are followed and do nothing.
  int ended = 10'000;    // Sessions that are kept after their end.
  int ends = 100'000;    // Commands that write and exit at once.
  int interrupts = 50;   // Ctrl-C under a flood of output.
};

// One line of the result.
struct Finding {
  std::string what, measured, goal;
  bool met = true;
};

// What a node does with many sessions at once. Each check starts what it needs, ends it, and fails
// when a byte, an order or a status is not exactly what it must be. Not thread-safe.
class ScaleChecks {
 public:
  // Connects: a connection takes so many streams only. The node is $NACRE_HOST.
  static absl::StatusOr<std::unique_ptr<ScaleChecks>> Connect(const ScaleSizes& sizes);

  static const std::vector<std::string>& Names();

  // Runs one of Names().
  absl::Status Run(const std::string& name);

  const std::vector<Finding>& findings() const { return findings_; }

 private:
  ScaleChecks() = default;

  absl::Status Stream();
  absl::Status Idle();
  absl::Status Ended();
  absl::Status Ends();
  absl::Status Interrupt();
  absl::Status StreamAllAtOnce();
  client::Client& ClientFor(int session) const;

  ScaleSizes sizes_;
  std::vector<std::unique_ptr<client::Client>> clients_;
  std::vector<Finding> findings_;
};

}  // namespace nacre::bench
