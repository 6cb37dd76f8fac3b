// Streams that are opened again after a loss.
#ifndef NACRE_CLIENT_REOPENING_H_
#define NACRE_CLIENT_REOPENING_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/backoff.h"
#include "client/connection.h"

namespace nacre::client {

// Decides when and for how long a lost stream is opened again. Not thread-safe.
class Reopening {
 public:
  using Attempt = std::function<grpc::Status()>;

  explicit Reopening(const Connection& connection) : connection_(connection) {}

  // Opens it the first time.
  absl::Status Open(const Attempt& attempt);

  // Opens it again after `cause`. A stream that had made no progress since it was opened counts as
  // one more failed attempt: a node that loses us again and again is given up some time.
  absl::Status OpenAgain(const absl::Status& cause, bool had_progress, const Attempt& attempt);

 private:
  const Connection& connection_;
  Backoff backoff_;
  absl::Time opened_at_ = absl::InfiniteFuture();
  absl::Time lost_at_ = absl::InfiniteFuture();
};

}  // namespace nacre::client

#endif  // NACRE_CLIENT_REOPENING_H_
