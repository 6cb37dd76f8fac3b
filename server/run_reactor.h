#pragma once

#include <optional>

#include "executor/log_reader.h"
#include "nacre/v1/shell.pb.h"
#include "server/follower_call.h"

namespace nacre {

// One Run: collects a session's output up to its bound and answers once.
class RunReactor : public FollowerCall {
 public:
  // `request` and `response` live until the RPC is done.
  RunReactor(asio::io_context& loop, Executor& executor, Identity identity,
             const v1::RunRequest& request, v1::RunResponse* response);

 private:
  absl::Status Begin() override;
  void OnStarted() override;
  void OnLog(const absl::StatusOr<LogView>& log) override;
  void OnProgress() override;
  void Collect(const LogReader::Chunk& chunk);

  const v1::RunRequest& request_;
  v1::RunResponse* const response_;

  // Loop only.
  std::optional<LogReader> reader_;
  size_t room_ = 0;
};

}  // namespace nacre
