#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace nacre {

// Lets so many events of a kind through, and then one in each period; counts the others. For what
// strangers can cause at will: log lines, audit lines. Not thread-safe.
class Throttle {
 public:
  Throttle(uint64_t burst, int64_t period_ns)
      : burst_(burst), period_ns_(period_ns), left_(burst) {}

  // Whether this event goes through. If so, `skipped()` tells how many did not since the last one.
  bool Admit(int64_t now_ns = MonotonicNs()) {
    const int64_t periods = (now_ns - since_ns_) / period_ns_;
    if (periods > 0) {
      left_ = std::min(burst_, left_ + static_cast<uint64_t>(periods));
      since_ns_ += periods * period_ns_;
    }
    if (left_ == 0) {
      ++counting_;
      return false;
    }
    --left_;
    skipped_ = counting_;
    counting_ = 0;
    return true;
  }
  uint64_t skipped() const { return skipped_; }

 private:
  const uint64_t burst_;
  const int64_t period_ns_;
  uint64_t left_;
  int64_t since_ns_ = MonotonicNs();
  uint64_t counting_ = 0, skipped_ = 0;
};

}  // namespace nacre
