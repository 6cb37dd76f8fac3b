// From a caller's Command to the wire.
#ifndef NACRE_CLIENT_COMMAND_H_
#define NACRE_CLIENT_COMMAND_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/utf8.h"
#include "nacre/client.h"
#include "nacre/v1/command.pb.h"

namespace nacre::client {

// INVALID_ARGUMENT for what has no wire form; everything else is the node's to judge.
absl::StatusOr<v1::Start> ToStart(const Command& command);

// 128 random bits: no other start has them.
std::string NewRequestId();

v1::KillScope ToWire(KillScope scope);
google::protobuf::Duration ToWire(absl::Duration duration);

}  // namespace nacre::client

#endif  // NACRE_CLIENT_COMMAND_H_
