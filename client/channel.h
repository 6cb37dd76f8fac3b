// The gRPC channel to a node.
#ifndef NACRE_CLIENT_CHANNEL_H_
#define NACRE_CLIENT_CHANNEL_H_

#include <grpcpp/channel.h>

#include <memory>

#include "absl/time/time.h"
#include "client/target.h"

namespace nacre::client {

// A plaintext channel with a connection of its own, opened by the first call.
std::shared_ptr<grpc::Channel> MakeChannel(const Target& target, absl::Duration connect_timeout);

}  // namespace nacre::client

#endif  // NACRE_CLIENT_CHANNEL_H_
