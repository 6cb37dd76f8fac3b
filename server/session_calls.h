#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <optional>
#include <string>

#include "nacre/v1/shell.pb.h"
#include "server/follower_call.h"

// The unary calls about sessions. Those that answer at once are functions, for the loop; those that
// wait are calls.
namespace nacre {

absl::Status GetSession(Executor& executor, const Identity& identity,
                        const v1::GetSessionRequest& request, v1::GetSessionResponse* response);
absl::Status ListSessions(Executor& executor, const Identity& identity,
                          const v1::ListSessionsRequest& request,
                          v1::ListSessionsResponse* response);
absl::Status SignalSession(Executor& executor, const Identity& identity,
                           const v1::SignalSessionRequest& request);
absl::Status ResizeTerminal(Executor& executor, const Identity& identity,
                            const v1::ResizeTerminalRequest& request);
absl::Status EndSession(Executor& executor, const Identity& identity,
                        const v1::EndSessionRequest& request, v1::EndSessionResponse* response);
absl::Status DeleteSession(Executor& executor, const Identity& identity,
                           const v1::DeleteSessionRequest& request);

// Answers once the command runs.
class StartSessionCall : public FollowerCall {
 public:
  StartSessionCall(asio::io_context& loop, Executor& executor, Identity identity,
                   const v1::StartSessionRequest& request, v1::StartSessionResponse* response);

 private:
  absl::Status Begin() override;
  void OnStarted() override;
  void OnProgress() override {}

  const v1::StartSessionRequest& request_;
  v1::StartSessionResponse* const response_;
};

// Answers once the session has ended, or the time is over.
class WaitSessionCall : public FollowerCall {
 public:
  WaitSessionCall(asio::io_context& loop, Executor& executor, Identity identity,
                  const v1::WaitSessionRequest& request, v1::WaitSessionResponse* response);

 private:
  absl::Status Begin() override;
  void OnProgress() override;
  void Answer();

  const v1::WaitSessionRequest& request_;
  v1::WaitSessionResponse* const response_;
  asio::steady_timer timer_;
};

// Answers once some of the input is taken.
class WriteInputCall : public FollowerCall {
 public:
  WriteInputCall(asio::io_context& loop, Executor& executor, Identity identity,
                 const v1::WriteInputRequest& request, v1::WriteInputResponse* response);

 private:
  absl::Status Begin() override;
  void OnStarted() override { OnProgress(); }
  void OnProgress() override;
  void OnInputTaken() override;

  const v1::WriteInputRequest& request_;
  v1::WriteInputResponse* const response_;
};

}  // namespace nacre
