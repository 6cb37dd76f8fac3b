#pragma once

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "executor/identity.h"
#include "executor/keeper_link.h"
#include "executor/log_reader.h"
#include "executor/session_record.h"

namespace nacre {

// The precise record of how a session ended: the keeper's, as it is.
using Termination = keeper::v1::Terminated;

// What a session tells its driver. Called on the loop.
class SessionDriver {
 public:
  virtual ~SessionDriver() = default;
  // The command runs: output may be read and input written from now on.
  virtual void OnStarted() = 0;
  // The command does not run; nothing follows.
  virtual void OnStartFailed(const absl::Status& status) = 0;
  // There may be output, consumed input or a termination to take.
  virtual void OnProgress() = 0;
};

// One run of a command. Made by Executor::Start; its methods are called on the executor's loop
// only, the constant ones (id, owner) from anywhere.
//
// The driver reads with reader().Next(), and says by Release what the session may forget; the
// command waits for it. It calls Close when it has taken the termination, or Abandon when it is
// lost.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(asio::io_context& loop, KeeperLink& keeper, uint64_t number, std::string id,
          SessionRecord record);

  uint64_t number() const { return number_; }
  const std::string& id() const { return id_; }
  const Identity& owner() const { return record_.owner; }

  // --- the driver's side ---
  void SetDriver(SessionDriver* driver) { driver_ = driver; }
  LogReader& reader() { return *reader_; }
  int64_t start_unix_ns() const { return start_unix_ns_; }
  // Once the session has ended. The end has been reached when also output_taken().
  const std::optional<Termination>& termination() const { return termination_; }
  bool output_taken() const;
  // Output before `position` is no longer needed. Told to the keeper by Proceed or Wait.
  void Release(uint64_t position) { released_ = std::max(released_, position); }
  // The driver is busy and comes back by itself: tells the keeper what was released, if that is
  // much.
  void Proceed();
  // The driver has done all there was to do: the keeper wakes it (OnProgress) when there is more
  // than what reader() and ObserveInput() have seen.
  void Wait();

  // Looks how much input the command has been given; what follows goes by that.
  void ObserveInput();
  uint64_t input_consumed() const { return consumed_seen_; }
  // Takes input from `offset` on; bytes before the expected offset are skipped. Returns how many
  // bytes of `data` were taken; fewer than all when the input ring is full (OnProgress tells of
  // room). INVALID_ARGUMENT: a gap, bytes after the end, or no input.
  absl::StatusOr<size_t> WriteInput(uint64_t offset, std::string_view data);
  void CloseInput();
  uint64_t input_offset() const { return produced_; }
  bool takes_input() const { return record_.takes_input; }

  void Signal(uint32_t number);
  // Ends the command by its ladder on behalf of `by`.
  void Cancel(const Identity& by);
  // The driver has everything it wants: the session may be forgotten once it has ended.
  void Close();
  // The driver was lost: the disconnect policy takes over, and the driver hears no more.
  void Abandon();
  // The driver broke the protocol: as Abandon, but cancelled at once on behalf of the owner.
  void Drop();

  // --- the executor's side ---
  // Takes over what an earlier front has left. Its driver went with that front: it counts as lost
  // from now on.
  void Adopt(const keeper::v1::Adopted& adopted);
  void OnEvent(const keeper::v1::KeeperEvent& event);

 private:
  void Send(const keeper::v1::FrontRequest& request) { keeper_.Send(request); }
  void SendEnd(keeper::v1::EndCause cause, const std::string& by);
  void SendRelease(bool waits);
  void EndUnwatched(keeper::v1::EndCause cause, const std::string& by);
  // Reads and drops output when nobody drives any more.
  void DropOutput();

  asio::io_context& loop_;
  KeeperLink& keeper_;
  const uint64_t number_;
  const std::string id_;
  const SessionRecord record_;

  // Loop only.
  SessionDriver* driver_ = nullptr;
  bool running_ = false, failed_ = false, closed_ = false;
  // Whether the keeper knows that the driver waits.
  bool waiting_ = true;
  bool dropping_ = false, input_closed_ = false;
  uint32_t slot_ = 0;
  int64_t start_unix_ns_ = 0;
  std::optional<LogReader> reader_;
  std::optional<Termination> termination_;
  uint64_t released_ = 0, release_sent_ = 0;
  uint64_t produced_ = 0, consumed_seen_ = 0;
  asio::steady_timer grace_;
};

}  // namespace nacre
