// When to try again after a loss.
#ifndef NACRE_CLIENT_BACKOFF_H_
#define NACRE_CLIENT_BACKOFF_H_

#include "absl/random/random.h"
#include "absl/time/time.h"

namespace nacre::client {

// Pauses before attempts: none before the first, then 50 ms doubling to 2 s, each give or take half
// at random, so that the clients of a node that comes back don't all come at once. Not thread-safe.
class Backoff {
 public:
  static constexpr absl::Duration kFirst = absl::Milliseconds(50);
  static constexpr absl::Duration kLast = absl::Seconds(2);

  absl::Duration Next();

 private:
  absl::BitGen random_;
  absl::Duration step_ = absl::ZeroDuration();
};

}  // namespace nacre::client

#endif  // NACRE_CLIENT_BACKOFF_H_
