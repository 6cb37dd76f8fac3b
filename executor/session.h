#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "executor/identity.h"
#include "executor/keeper_link.h"
#include "executor/log_view.h"
#include "executor/session_record.h"

namespace nacre {

// The precise record of how a session ended: the keeper's, as it is.
using Termination = keeper::v1::Terminated;

// Somebody who follows a session. Called on the loop; may leave in any of these.
class SessionFollower {
 public:
  virtual ~SessionFollower() = default;
  // The command runs: output may be read and input written from now on.
  virtual void OnStarted() {}
  // The session is gone for this front: its command does not run, or another front has it now.
  // Nobody follows it any more.
  virtual void OnGone(const absl::Status& status) = 0;
  // There may be output, consumed input or a termination to take.
  virtual void OnProgress() = 0;
  // Another one writes the input now.
  virtual void OnInputTaken() {}
  // Another one drives now.
  virtual void OnDriveTaken() {}
  // Answers Session::OpenLog. An error: the output is lost.
  virtual void OnLog(const absl::StatusOr<LogView>& /*log*/) {}
};

// One run of a command, from its start to the end of its retention. Made by Executor; its methods
// are called on the executor's loop only, the constant ones (id, owner) from anywhere.
//
//   Join ─▶ follower: reads the log, waits for the end          (a viewer: never waited for)
//     ├─ Drive     ─▶ the driver: the command waits for its Release
//     └─ TakeInput ─▶ the writer: WriteInput, CloseInput
//   Leave ─▶ nobody's follower any more; a lost driver's session goes by its disconnect policy
//
// Once it has ended and nobody follows it, the keeper puts its log away; OpenLog brings it back.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(asio::io_context& loop, KeeperLink& keeper, uint64_t number, std::string id,
          SessionRecord record);

  uint64_t number() const { return number_; }
  const std::string& id() const { return id_; }
  const Identity& owner() const { return record_.owner; }
  const SessionRecord& record() const { return record_; }

  bool running() const { return running_ && !termination_.has_value(); }
  int64_t start_unix_ns() const { return start_unix_ns_; }
  // Once it has ended.
  const std::optional<Termination>& termination() const { return termination_; }
  // Its end on the monotonic clock, once it has ended.
  int64_t end_ns() const { return end_ns_; }
  // How long it is kept from then on. At least for the grace of a driver that has not taken the
  // end.
  int64_t retention_ns() const;
  // Position after the last byte so far.
  uint64_t end_position() const;
  // Oldest position whose byte is still kept.
  uint64_t kept_position() const;
  // First position that no driver has taken; at least kept_position().
  uint64_t untaken_position() const;

  // --- following ---
  void Join(SessionFollower* follower);
  // Makes a follower the driver; who was is told, and a viewer from now on.
  void Drive(SessionFollower* follower);
  // Makes a follower the writer of the input; who was is told.
  void TakeInput(SessionFollower* follower);
  bool driven() const { return driver_ != nullptr; }
  bool driven_by(const SessionFollower* follower) const { return driver_ == follower; }
  bool written_by(const SessionFollower* follower) const { return writer_ == follower; }
  // Remembers who brings input by single calls; whether it was another one before.
  bool NoteWriter(const std::string& name) { return std::exchange(writer_name_, name) != name; }

  enum class Leaving {
    // It has taken what it came for.
    kDone,
    // Its connection was lost.
    kLost,
    // It leaves the session to run on, whatever its disconnect policy.
    kDetached,
    // It broke the protocol: a driver's command is cancelled on behalf of the owner.
    kBroken,
  };
  void Leave(SessionFollower* follower, Leaving how);

  // Gives a follower the log (OnLog) of a session that has started: at once while it has its slot,
  // else when the keeper has brought it.
  void OpenLog(SessionFollower* follower);
  // Whether the keeper is still to bring it.
  bool awaits_log() const { return log_requested_; }

  // Output before `position` is no longer needed by the driver. Told to the keeper by Proceed or
  // Wait.
  void Release(uint64_t position) { released_ = std::max(released_, position); }
  // A follower is busy and comes back by itself: tells the keeper what was released, if that is
  // much.
  void Proceed();
  // A follower has done all there was to do: the keeper wakes it (OnProgress) when there is more
  // output than `seen` or more consumed input than ObserveInput() has seen.
  void Wait(uint64_t seen);

  // --- input ---
  // Looks how much input the command has been given; what follows goes by that.
  void ObserveInput();
  uint64_t input_consumed() const { return consumed_seen_; }
  // Takes input from `offset` on; bytes before the expected offset are skipped. Returns how many
  // bytes of `data` were taken; fewer than all when the input ring is full (OnProgress tells of
  // room). INVALID_ARGUMENT: a gap, bytes after the end, or no input.
  absl::StatusOr<size_t> WriteInput(uint64_t offset, std::string_view data);
  // No input follows `offset`. INVALID_ARGUMENT: more has been taken already.
  absl::Status CloseInput(uint64_t offset);
  uint64_t input_offset() const { return produced_; }
  bool takes_input() const { return record_.takes_input; }

  // When it last was given input, a signal or a size, by whomever, on the monotonic clock.
  int64_t active_ns() const { return active_ns_; }

  void Signal(uint32_t number, KillScope scope);
  // Gives its terminal a new size: at once if it had its last one a while ago, else a little later,
  // and then the last of those asked for.
  void Resize(uint32_t rows, uint32_t columns);
  bool has_terminal() const { return record_.has_terminal; }
  // Ends the command by its ladder on behalf of `by`.
  void Cancel(const Identity& by);

  // --- the executor's side ---
  // Nobody drives it from the start.
  void StartUndriven();
  // Takes over what an earlier front has left. Its driver, if any, went with that front: it counts
  // as lost from now on.
  void Adopt(const keeper::v1::Adopted& adopted);
  void OnEvent(const keeper::v1::KeeperEvent& event);
  // `fd`: of LogOpened.
  void OnLogOpened(const keeper::v1::LogOpened& opened, UniqueFd fd);
  // Another front has it from now on: lets its followers go, with what they are told.
  void Yield(const absl::Status& why);
  // Whether only this front can finish it: an old client waits for its reply.
  bool only_here() const { return driver_ != nullptr && !record_.owner.dialect.empty(); }
  // It is gone for callers; the keeper forgets it once it has ended and nobody follows it.
  void Forget();
  bool forgotten() const { return forgotten_; }

 private:
  void Send(const keeper::v1::FrontRequest& request) { keeper_.Send(request); }
  void SendSize();
  void SendEnd(keeper::v1::EndCause cause, const std::string& by);
  void SendRelease(bool waits);
  void SendOverflow(bool keep_newest);
  void SendState();
  template <typename Call>
  void TellFollowers(Call call);
  void AwaitDriver(int64_t grace_ns);
  void GoOnUndriven();
  void Rest();

  asio::io_context& loop_;
  KeeperLink& keeper_;
  const uint64_t number_;
  const std::string id_;
  const SessionRecord record_;

  // Loop only.
  std::vector<SessionFollower*> followers_;
  SessionFollower* driver_ = nullptr;
  SessionFollower* writer_ = nullptr;
  std::string writer_name_;
  bool running_ = false, gone_ = false;
  // The keeper was told to put the log away: the slot is its own again.
  bool archived_ = false;
  bool forgotten_ = false, forget_sent_ = false, detached_ = false;
  // Whether its lost driver has its grace to come back.
  bool awaits_driver_ = false;
  // A caller has ended it: it does not wait for a driver any more.
  bool ending_ = false;
  // Whether the keeper overwrites what nobody has released.
  bool keeps_newest_ = false;
  // Whether the keeper knows that somebody waits.
  bool waiting_ = true;
  bool input_closed_ = false;
  uint32_t slot_ = 0;
  uint64_t ring_bytes_ = 0;
  int64_t start_unix_ns_ = 0, end_ns_ = 0, active_ns_ = 0;
  std::optional<Termination> termination_;
  uint64_t released_ = 0, release_sent_ = 0, seen_ = 0;
  // Of an archived log.
  uint64_t kept_ = 0;
  uint64_t produced_ = 0, consumed_seen_ = 0;
  // Followers that OpenLog has not answered yet.
  std::vector<SessionFollower*> awaiting_log_;
  bool log_requested_ = false;
  asio::steady_timer grace_;
  // Of a terminal: the size to be told, and when the next may be; null: at once.
  std::pair<uint32_t, uint32_t> size_;
  bool size_is_new_ = false;
  std::unique_ptr<asio::steady_timer> next_size_;
};

}  // namespace nacre
