#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>

#include "executor/executor.h"
#include "executor/log_reader.h"
#include "nacre/v1/shell.pb.h"

namespace nacre {

// One stream that follows a session, whatever its RPC: turns the client's messages into calls on
// the session, and the session's progress into events for the client. Loop only.
//
// At most one message each way is in memory: the next output is taken when the last write is done,
// and no request is read while input waits for room.
class SessionStream : protected SessionFollower {
 protected:
  using Events = google::protobuf::RepeatedPtrField<v1::SessionEvent>;

  // `idle_ns`: how long nothing may come or go, nor anybody give the session input, a signal or a
  // size; 0: for ever.
  SessionStream(asio::io_context& loop, Executor& executor, Identity identity, int64_t idle_ns);

  // --- what the RPC does ---
  // Where events for the next write go; empty.
  virtual Events* NewEvents() = 0;
  virtual void WriteEvents() = 0;
  virtual void WriteLastEvents() = 0;
  // Ends the RPC. Nothing is called any more.
  virtual void End(const absl::Status& status) = 0;
  // Reads the client's next message, if this RPC has any.
  virtual void ReadNext() = 0;

  // --- what the RPC says ---
  // The first message; an error ends the RPC by Reject.
  absl::Status Start(const v1::Start& start);
  absl::Status Attach(const v1::Attach& attach);
  absl::Status HandleInput(v1::Input input);
  absl::Status HandleSignal(const v1::Signal& signal);
  absl::Status HandleResize(const v1::Resize& resize);
  absl::Status HandleAck(const v1::Ack& ack);
  absl::Status HandleCancelRequest();
  absl::Status HandleDetach();
  void HandleWritten(bool ok);
  // The connection was lost, or the client cancelled the call.
  void HandleLost();
  void CloseInput();
  // Ends the RPC with an error, for what the client has said.
  void Reject(const absl::Status& status);

  bool joined() const { return session_ != nullptr; }
  bool finished() const { return finished_; }
  // Whether requests may be read: the command runs, and there is room for input.
  bool ready_to_read() const { return reader_.has_value() && !pending_input_.has_value(); }

 private:
  // Input that the ring has not taken yet.
  struct PendingInput {
    uint64_t offset;
    std::string data;
    bool eof;
  };

  absl::Status Follow(std::shared_ptr<Session> session, const v1::Attach& attach);
  absl::Status ChooseKeepalive(const google::protobuf::Duration& interval);
  absl::Status ChoosePosition(const v1::Attach& attach);
  absl::Status FlushInput();
  void Leave(Session::Leaving how);
  void MarkFinished();

  void OnStarted() override;
  void OnLog(const absl::StatusOr<LogView>& log) override;
  void OnGone(const absl::Status& status) override;
  void OnProgress() override;
  void OnInputTaken() override;
  void OnDriveTaken() override;

  // Writes what there is, if no write is under way.
  void Pump();
  void AddFirst(Events* events);
  bool AddOutput(Events* events);
  void AddGap(uint64_t from, Events* events);
  void AddTaken(Events* events);
  void AddInputAck(Events* events);
  void Write();
  void PumpSoon();
  void WatchWrite();
  void AwaitQuiet();
  void NoteActivity();
  bool AwaitsReader() const;
  void WatchIdle();

  asio::io_context& loop_;
  Executor& executor_;
  const Identity identity_;

  std::shared_ptr<Session> session_;
  // Once the command runs and its log is there.
  std::optional<LogReader> reader_;
  // This stream has started the command.
  bool is_start_ = false;
  // Whether it may do more than watch.
  bool may_act_ = false;
  uint64_t first_position_ = 0;
  bool first_sent_ = false, input_taken_ = false, drive_taken_ = false, writing_ = false,
       finished_ = false;
  // `started` waits for what may travel with it; a viewer that takes nothing is not waited for.
  asio::steady_timer hold_timer_, stuck_timer_, quiet_timer_, idle_timer_;
  int64_t keepalive_ns_ = 0;  // 0: none
  const int64_t idle_ns_;     // 0: none
  int64_t active_ns_ = 0;     // On the monotonic clock.
  std::optional<PendingInput> pending_input_;
  uint64_t input_acked_ = 0;
  // From the first ack on, output is released as acknowledged instead of as written.
  bool acks_ = false;
  uint64_t sent_ = 0, acked_ = 0;
};

}  // namespace nacre
