#pragma once

#include <time.h>

#include <cstdint>

namespace nacre {

inline int64_t ClockNs(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Nanoseconds on CLOCK_MONOTONIC: for deadlines and durations.
inline int64_t MonotonicNs() { return ClockNs(CLOCK_MONOTONIC); }

// Nanoseconds since the Unix epoch: for records that people read, never for deadlines.
inline int64_t WallNs() { return ClockNs(CLOCK_REALTIME); }

}  // namespace nacre
