#include "client/backoff.h"

#include <algorithm>

namespace nacre::client {

absl::Duration Backoff::Next() {
  const absl::Duration pause = step_ * absl::Uniform(random_, 0.5, 1.5);
  step_ = step_ == absl::ZeroDuration() ? kFirst : std::min(2 * step_, kLast);
  return pause;
}

}  // namespace nacre::client
