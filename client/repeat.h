// Unary calls that are asked again after a loss.
#ifndef NACRE_CLIENT_REPEAT_H_
#define NACRE_CLIENT_REPEAT_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/connection.h"
#include "client/target.h"

namespace nacre::client {

// Connects, then attempts until the answer is something else than a lost connection, for `patience`
// after a loss; with 0 just once. UNAVAILABLE at once, with the cause, when there is no connection
// to begin with and never was one.
absl::Status Repeat(const Connection& connection, absl::Duration patience,
                    const std::function<grpc::Status(grpc::ClientContext*)>& attempt);

// The error of who has tried for long enough: UNAVAILABLE with what the last loss said.
absl::Status GiveUp(const Target& target, const absl::Status& last);

}  // namespace nacre::client

#endif  // NACRE_CLIENT_REPEAT_H_
