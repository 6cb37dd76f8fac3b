// From gRPC's statuses to ours.
#ifndef NACRE_CLIENT_STATUS_H_
#define NACRE_CLIENT_STATUS_H_

#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"

namespace nacre::client {

// The same code and message; the google.rpc details become payloads under their type URLs.
absl::Status FromGrpc(const grpc::Status& status);

// Whether it tells of a lost connection, or of a front or its helper that goes: what was asked for
// may go on, and asking again may help.
bool IsConnectionLoss(const absl::Status& status);

// The value of `key` in the status's ErrorInfo; empty if there is none.
std::string ErrorMetadata(const absl::Status& status, const std::string& key);

}  // namespace nacre::client

#endif  // NACRE_CLIENT_STATUS_H_
