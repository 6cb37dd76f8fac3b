#pragma once

#include <grpcpp/support/server_callback.h>

#include <asio/io_context.hpp>
#include <memory>

#include "executor/executor.h"
#include "nacre/v1/shell.pb.h"

namespace nacre {

// One Run: collects a session's output up to its bound and answers once. Deletes itself when the
// RPC is done. gRPC's threads only post to the loop, where everything else happens.
class RunReactor : public grpc::ServerUnaryReactor, private SessionDriver {
 public:
  // `request` and `response` live until the RPC is done.
  RunReactor(asio::io_context& loop, Executor& executor, Identity identity,
             const v1::RunRequest& request, v1::RunResponse* response);

  void OnCancel() override;
  void OnDone() override;

 private:
  void HandleStart();
  absl::Status Start();
  void HandleCancel();
  void OnStarted() override {}
  void OnStartFailed(const absl::Status& status) override;
  void OnProgress() override;
  void Collect(const LogReader::Chunk& chunk);
  void Complete(const absl::Status& status);

  asio::io_context& loop_;
  Executor& executor_;
  const Identity identity_;
  const v1::RunRequest& request_;
  v1::RunResponse* const response_;

  // Loop only.
  std::shared_ptr<Session> session_;
  size_t room_ = 0;
  bool finished_ = false;
};

}  // namespace nacre
