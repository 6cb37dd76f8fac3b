// What calls to a node need.
#ifndef NACRE_CLIENT_CONNECTION_H_
#define NACRE_CLIENT_CONNECTION_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>

#include "absl/time/time.h"
#include "client/repeat.h"
#include "client/target.h"

namespace nacre::client {

// The way to one node. A value; copies share the channel.
struct Connection {
  std::shared_ptr<grpc::Channel> channel;
  Target target;
  absl::Duration resume_for;

  // For what can be asked again without harm.
  absl::Status Repeat(const std::function<grpc::Status(grpc::ClientContext*)>& attempt) const {
    return client::Repeat(channel, target, resume_for, attempt);
  }
};

}  // namespace nacre::client

#endif  // NACRE_CLIENT_CONNECTION_H_
