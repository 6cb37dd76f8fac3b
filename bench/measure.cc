#include "bench/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "absl/strings/str_format.h"
#include "bench/interruption.h"

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
    caller->status = Interrupted() == 0 ? operation() : absl::CancelledError("interrupted");
    const Clock::time_point after = Clock::now();
    caller->microseconds.push_back(Seconds(after - before) * 1e6);
    before = after;
  }
}

}  // namespace

absl::StatusOr<Load> Repeat(int callers, absl::Duration duration, const Operation& operation) {
  return RepeatEach(std::vector<Operation>(static_cast<size_t>(callers), operation), duration);
}

absl::StatusOr<Load> RepeatEach(const std::vector<Operation>& operations, absl::Duration duration) {
  std::vector<Caller> seen(operations.size());
  std::vector<std::thread> threads;
  const Clock::time_point start = Clock::now();
  const Clock::time_point deadline = start + absl::ToChronoNanoseconds(duration);
  for (size_t i = 1; i < seen.size(); ++i) {
    threads.emplace_back([&, i] { RepeatUntil(deadline, operations[i], &seen[i]); });
  }
  RepeatUntil(deadline, operations[0], &seen[0]);
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

absl::StatusOr<double> SecondsOf(const Operation& operation) {
  const Clock::time_point start = Clock::now();
  if (absl::Status status = operation(); !status.ok()) return status;
  if (Interrupted() != 0) return absl::CancelledError("interrupted");
  return Seconds(Clock::now() - start);
}

absl::StatusOr<double> GigabytesPerSecond(uint64_t bytes, const Operation& operation) {
  auto seconds = SecondsOf(operation);
  if (!seconds.ok()) return seconds;
  return static_cast<double>(bytes) / 1e9 / *seconds;
}

std::string LoadText(const std::vector<Load>& loads) {
  std::vector<double> p50, p99, rate;
  for (const Load& load : loads) {
    p50.push_back(load.p50_us);
    p99.push_back(load.p99_us);
    rate.push_back(load.per_second);
  }
  return absl::StrFormat("p50 %.0f µs, p99 %.0f µs, %.0f/s", Median(p50), Median(p99),
                         Median(rate));
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
