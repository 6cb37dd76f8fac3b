#pragma once

#include <grpcpp/support/server_callback.h>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>

#include "executor/executor.h"
#include "nacre/v1/shell.pb.h"

namespace nacre {

// One Exec: turns the client's messages into calls on a Session and the session's progress into
// messages to the client. Deletes itself when the RPC is done.
//
//   gRPC thread: OnReadDone / OnWriteDone / OnCancel / OnDone ──post──▶ loop: everything else
//
// At most one message each way is in memory: the next output is taken when the last write is done,
// and no request is read while input waits for room.
class ExecReactor : public grpc::ServerBidiReactor<v1::ExecRequest, v1::ExecResponse>,
                    private SessionDriver {
 public:
  // Begins to read. `executor` belongs to `loop`.
  ExecReactor(asio::io_context& loop, Executor& executor, grpc::CallbackServerContext& context,
              Identity identity);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  // Input that the ring has not taken yet.
  struct PendingInput {
    uint64_t offset;
    std::string data;
    bool eof;
  };

  void HandleRead(bool ok);
  void HandleWrite(bool ok);
  void HandleCancel();
  absl::Status HandleRequest();
  absl::Status HandleStart(const v1::Start& start);
  absl::Status HandleInput(v1::Input input);
  absl::Status HandleSignal(const v1::Signal& signal);
  absl::Status HandleAck(const v1::Ack& ack);
  absl::Status FlushInput();
  void HandleHalfClose();
  void ReadNext();
  void MarkFinished();

  void OnStarted() override;
  void OnStartFailed(const absl::Status& status) override;
  void OnProgress() override;

  // Writes what there is, if no write is under way.
  void Pump();
  void AddStarted();
  bool AddOutput();
  void AddInputAck();
  // Ends the RPC with an error; the session, if any, is cancelled.
  void Reject(const absl::Status& status);

  asio::io_context& loop_;
  Executor& executor_;
  grpc::CallbackServerContext& context_;
  const Identity identity_;

  // Loop only.
  std::shared_ptr<Session> session_;
  v1::ExecRequest request_;
  v1::ExecResponse response_;
  bool running_ = false, started_sent_ = false, writing_ = false, finished_ = false;
  asio::steady_timer hold_timer_, half_close_timer_;
  std::optional<PendingInput> pending_input_;
  uint64_t input_acked_ = 0;
  // From the first ack on, output is released as acknowledged instead of as written.
  bool acks_ = false;
  uint64_t sent_ = 0, written_ = 0;
};

}  // namespace nacre
