// From gRPC's statuses to ours.
#ifndef NACRE_CLIENT_STATUS_H_
#define NACRE_CLIENT_STATUS_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace nacre::client {

// The same code and message; the google.rpc details become payloads under their type URLs.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace nacre::client

#endif  // NACRE_CLIENT_STATUS_H_
