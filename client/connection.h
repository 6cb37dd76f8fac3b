// What calls to a node need.
#ifndef NACRE_CLIENT_CONNECTION_H_
#define NACRE_CLIENT_CONNECTION_H_

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/target.h"

namespace nacre::client {

// The way to one node. A value; copies share the channel.
struct Connection {
  std::shared_ptr<grpc::Channel> channel;
  Target target;
  absl::Duration resume_for;
  // Whether the node has ever answered: then a loss is one, and worth our patience.
  std::shared_ptr<std::atomic<bool>> answered = std::make_shared<std::atomic<bool>>(false);

  // For what can be asked again without harm.
  absl::Status Repeat(const std::function<grpc::Status(grpc::ClientContext*)>& attempt) const;
};

}  // namespace nacre::client

#endif  // NACRE_CLIENT_CONNECTION_H_
