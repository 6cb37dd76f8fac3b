// One session that is followed, over as many streams as it takes.
//
//   thread in Next()     : Read ─▶ events ─▶ caller;  writes acks, opens and fills input_
//                          stream lost ─▶ loss_ ─▶ connect, open, first event ─▶ online again
//   thread in WriteInput : waits in input_, then writes
//   any thread           : Signal, Cancel, Detach write, or leave it to the next stream;
//                          Abandon cancels the stream and wakes Next()
//
// Reads belong to Next(); writes are serialized by write_mutex_ and never wait for the node to make
// room (input_buffer.h), so whoever holds it lets go soon. Only Next() replaces the stream.
#ifndef NACRE_CLIENT_PROCESS_H_
#define NACRE_CLIENT_PROCESS_H_

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/backoff.h"
#include "client/input_buffer.h"
#include "client/output_ledger.h"
#include "client/session_stream.h"
#include "client/target.h"
#include "nacre/client.h"
#include "nacre/v1/shell.pb.h"

namespace nacre::client {

class Process::Impl {
 public:
  Impl(std::shared_ptr<grpc::Channel> channel, Target target, Opening opening,
       absl::Duration resume_for);
  ~Impl();

  absl::StatusOr<Event> Next();
  absl::Status WriteInput(std::string_view data);
  absl::Status CloseInput();
  absl::Status Signal(int number, KillScope scope);
  absl::Status Resize(uint32_t rows, uint32_t columns);
  absl::Status Cancel();
  absl::Status Detach();
  void Abandon();

 private:
  using Clock = std::chrono::steady_clock;

  // The time without a stream.
  struct Loss {
    Clock::time_point at;
    Clock::time_point give_up_at;
    Clock::time_point next_try;
    absl::Status cause;  // What the last attempt met.
    int attempts = 0;
    bool told = false;  // By Disconnected.
  };

  // Events (process.cc).
  absl::StatusOr<Event> Advance();
  absl::StatusOr<std::optional<Event>> Handle(const v1::SessionEvent& event);
  template <typename Opened>
  absl::StatusOr<std::optional<Event>> HandleOpened(const Opened& opened, bool existed);
  absl::StatusOr<std::optional<Event>> HandleReopened(uint64_t next_position);
  absl::StatusOr<std::optional<Event>> HandleOutput(const v1::Output& output);
  absl::StatusOr<std::optional<Event>> HandleGap(const v1::Gap& gap);
  absl::StatusOr<std::optional<Event>> HandleTerminated(const v1::Terminated& terminated);
  void AcknowledgeOutput();
  absl::Status Fail(absl::Status status);
  void MarkEnded(absl::Status reason);

  // Writes (process.cc).
  absl::Status CheckSent() const;
  bool MayAct() const { return drives_ || (writes_input_ && !input_taken_); }
  void GoOnline();
  void PumpInput();
  void SayDetach();
  void SaySize();

  // The way back to a stream (process_resume.cc).
  bool OpenFirst();
  absl::Status EndOfStream();
  absl::Status ExplainUnsent(const absl::Status& cause);
  void Lose(absl::Status cause);
  absl::StatusOr<Event> Resume();
  absl::Status Reopen();
  bool AwaitAnswer();
  bool TakeOldestKept(const absl::Status& refusal);
  absl::Status ExplainRefusal(const absl::Status& refusal) const;
  absl::Status GiveUp() const;
  void SetStream(std::shared_ptr<SessionStream> stream);
  void SleepUntil(Clock::time_point time);

  // Constant after construction.
  const std::shared_ptr<grpc::Channel> channel_;
  const Target target_;
  const absl::Duration resume_for_;
  std::atomic<bool> drives_;  // Until another caller does.
  const bool writes_input_;

  // Next()'s thread only.
  Opening opening_;  // Of the next stream.
  int next_event_ = 0;
  bool first_event_seen_ = false;  // On this stream.
  OutputLedger ledger_;
  uint64_t acknowledged_ = 0;
  int outputs_taken_ = 0;   // Since the last acknowledgement.
  std::string session_id_;  // Empty until Started.
  std::optional<Event> pending_;
  std::optional<Loss> loss_;
  Backoff backoff_;
  Clock::duration pause_{};  // Before the last attempt.
  Clock::time_point opened_at_;

  // Any thread.
  InputBuffer input_;
  std::atomic<bool> start_sent_ = false;
  std::atomic<bool> ended_ = false;
  std::atomic<bool> abandoned_ = false;
  std::atomic<bool> input_taken_ = false;  // By another caller.
  std::atomic<uint64_t> taken_ = 0;        // Output that the caller has come back from.
  std::mutex input_mutex_;                 // Keeps the bytes of one WriteInput() together.

  std::timed_mutex write_mutex_;
  // Guarded by write_mutex_; `stream_` is changed by Next() alone, which may read it without.
  std::shared_ptr<SessionStream> stream_;
  bool online_ = false;  // Whether stream_ takes writes; else they wait for the next one.
  std::vector<v1::Signal> waiting_signals_;
  std::optional<v1::Resize> size_;  // The last one; told to each stream.
  bool cancelled_ = false;
  bool detached_ = false;

  std::mutex abandon_mutex_;
  std::condition_variable abandoned_changed_;
  std::shared_ptr<SessionStream> abandonable_;  // Guarded by abandon_mutex_.
};

}  // namespace nacre::client

#endif  // NACRE_CLIENT_PROCESS_H_
