#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace nacre::bench {

// One thing that is measured. Called from several threads at once where it is measured so.
using Operation = std::function<absl::Status()>;

// What `callers` threads that did one thing over and over saw.
struct Load {
  double p50_us = 0;
  double p99_us = 0;
  double per_second = 0;
};

// Has `callers` threads do `operation` for `duration`. The first failure ends it.
absl::StatusOr<Load> Repeat(int callers, absl::Duration duration, const Operation& operation);

// The same with one thread for each of `operations`.
absl::StatusOr<Load> RepeatEach(const std::vector<Operation>& operations, absl::Duration duration);

// How long one operation takes. CANCELLED: we are to end.
absl::StatusOr<double> SecondsOf(const Operation& operation);

// GB/s of an operation that moves `bytes`.
absl::StatusOr<double> GigabytesPerSecond(uint64_t bytes, const Operation& operation);

// Medians of what several rounds gave, in one line.
std::string LoadText(const std::vector<Load>& loads);

// The value below which `fraction` (0 to 1) of the values lie; 0 of none.
double Quantile(std::vector<double> values, double fraction);
inline double Median(std::vector<double> values) { return Quantile(std::move(values), 0.5); }

}  // namespace nacre::bench
