#pragma once

#include "absl/status/status.h"

namespace grpc {
class Status;
}  // namespace grpc

namespace nacre {

// The status of an RPC, with google.rpc details that Python's and Node's helpers can read.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace nacre
