#pragma once

#include <grpcpp/support/server_callback.h>

#include <asio/io_context.hpp>
#include <memory>

#include "executor/executor.h"

namespace nacre {

// A unary call that follows a session until it can answer. Deletes itself when the RPC is done.
// gRPC's threads only post to the loop, where everything else happens.
class FollowerCall : public grpc::ServerUnaryReactor, protected SessionFollower {
 public:
  void OnCancel() override;
  void OnDone() override;

 protected:
  FollowerCall(asio::io_context& loop, Executor& executor, Identity identity);

  // Called once, on the loop. An error is the answer.
  virtual absl::Status Begin() = 0;
  // Calls Begin soon. For the constructor of the class that implements it.
  void BeginSoon();

  // The session that is followed from now on.
  void Follow(std::shared_ptr<Session> session);
  // The session is followed already (as its driver).
  void Hold(std::shared_ptr<Session> session) { session_ = std::move(session); }
  // Answers. The first call counts.
  void Complete(const absl::Status& status);

  void OnGone(const absl::Status& status) override;

  asio::io_context& loop() { return loop_; }
  Executor& executor() { return executor_; }
  const Identity& identity() const { return identity_; }
  Session& session() { return *session_; }
  bool finished() const { return finished_; }

 private:
  asio::io_context& loop_;
  Executor& executor_;
  const Identity identity_;

  // Loop only.
  std::shared_ptr<Session> session_;
  bool finished_ = false;
};

}  // namespace nacre
