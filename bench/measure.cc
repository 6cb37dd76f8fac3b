#include "bench/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

namespace nacre::bench {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

// What one caller saw.
struct Caller {
  std::vector<double> microseconds;
  absl::Status status;
};

void RepeatUntil(Clock::time_point deadline, const Operation& operation, Caller* caller) {
  for (Clock::time_point before = Clock::now(); before < deadline && caller->status.ok();) {
    caller->status = operation();
    const Clock::time_point after = Clock::now();
    caller->microseconds.push_back(Seconds(after - before) * 1e6);
    before = after;
  }
}

}  // namespace

absl::StatusOr<Load> Repeat(int callers, absl::Duration duration, const Operation& operation) {
  std::vector<Caller> seen(static_cast<size_t>(callers));
  std::vector<std::thread> threads;
  const Clock::time_point start = Clock::now();
  const Clock::time_point deadline = start + absl::ToChronoNanoseconds(duration);
  for (size_t i = 1; i < seen.size(); ++i) {
    threads.emplace_back([&, i] { RepeatUntil(deadline, operation, &seen[i]); });
  }
  RepeatUntil(deadline, operation, &seen[0]);
  for (std::thread& thread : threads) thread.join();
  const double elapsed = Seconds(Clock::now() - start);
  std::vector<double> all;
  for (const Caller& caller : seen) {
    if (!caller.status.ok()) return caller.status;
    all.insert(all.end(), caller.microseconds.begin(), caller.microseconds.end());
  }
  return Load{.p50_us = Quantile(all, 0.5),
              .p99_us = Quantile(all, 0.99),
              .per_second = static_cast<double>(all.size()) / elapsed};
}

absl::StatusOr<double> GigabytesPerSecond(uint64_t bytes, const Operation& operation) {
  const Clock::time_point start = Clock::now();
  if (absl::Status status = operation(); !status.ok()) return status;
  return static_cast<double>(bytes) / 1e9 / Seconds(Clock::now() - start);
}

double Quantile(std::vector<double> values, double fraction) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double at = fraction * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, values.size() - 1);
  return std::lerp(values[below], values[above], at - static_cast<double>(below));
}

}  // namespace nacre::bench
