#pragma once

#include <sys/resource.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/unique_fd.h"
#include "keeper/cgroups.h"
#include "keeper/loop.h"
#include "keeper/output_log.h"
#include "keeper/plan.h"
#include "keeper/spawner.h"
#include "keeper/terminal.h"
#include "nacre/keeper/v1/keeper.pb.h"

namespace nacre::keeper {

class Front;
class Session;

// What a session asks of the keeper that holds it.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  virtual Loop& loop() = 0;
  virtual Launcher& launcher() = 0;
  virtual Arena& arena() = 0;
  // Whether the process is a session's first one, or a front.
  virtual bool IsOwnChild(pid_t pid) const = 0;
  // The session has news for the front (Session::TakeNews).
  virtual void OnNews(Session* session) = 0;
  // The session has output to pump (Session::Turn).
  virtual void OnRunnable(Session* session) = 0;
  // The session is over; called once, also when it failed to start.
  virtual void OnEnd(Session* session) = 0;
  // Whether a busy session's pipes may grow.
  virtual bool MayWiden() const = 0;
};

// One run of a command: its child, its pipes, its log, its clocks and its end. Keeper's thread
// only.
//
//   state     report ok    report failed   leader exits    output ends / hold expires
//   kQueued   (Launch → kStarting)
//   kStarting → kRunning   → kFailed
//   kRunning                               → kExited       (stays)
//   kExited                                                → kEnded
//
// The leader is reaped only on the way to kEnded: until then its zombie keeps the process group's
// number from being used again, so a signal can never reach a stranger.
class Session : public EventHandler {
 public:
  enum class State { kQueued, kStarting, kRunning, kExited, kEnded, kFailed };

  // Without a cgroup its processes are searched for.
  Session(SessionHost& host, uint64_t number, std::string id, uint32_t slot, ChildPlan plan,
          std::unique_ptr<Cgroup> cgroup, const v1::SpawnRecord& record);
  ~Session() override { host_.loop().SetTimer(this, &armed_timer_, 0); }

  // Starts the child; needs a free lane. On an error the session has failed.
  void Launch();

  // One turn of pumping, at most 64 KiB per stream, 256 KiB of one that is busy. Whether there is
  // more to do at once.
  bool Turn();

  // The front's requests.
  void Release(const v1::Release& release);
  absl::Status ProduceInput(uint64_t produced, bool eof);
  absl::Status SendSignal(int number, v1::KillScope scope);
  absl::Status Resize(WindowSize size);
  // Whether the oldest output is overwritten when there is no room; else the command waits.
  void SetOverflow(bool keep_newest);
  // Keeps the front's small state; an error when it is too big.
  absl::Status Update(const std::string& state);
  // Ends the session by its ladder. The first cause stays.
  void End(v1::EndCause cause, const std::string& by);
  // The keeper stops: as End, and once the ladder is done no reader is waited for either.
  void EndForGood();

  // Adds what the front does not know yet, in order.
  void TakeNews(v1::KeeperMessage* message);
  // The session as it is now, for a front that does not know it.
  v1::Adopted Describe() const;

  void OnEvent(uint32_t tag, uint32_t events) override;
  void OnTimer() override;

  uint64_t number() const { return number_; }
  const std::string& id() const { return id_; }
  uint32_t slot() const { return slot_; }
  State state() const { return state_; }
  // User that it runs as.
  uid_t uid() const { return uid_; }
  // Its first process, reaped by itself; may be gone. -1: there was none.
  pid_t pid() const { return child_.pid; }
  // What it holds at most while it runs.
  size_t descriptors() const { return descriptors_; }
  static size_t DescriptorsOf(const v1::SpawnRecord& record);
  bool over() const { return state_ == State::kEnded || state_ == State::kFailed; }
  const v1::Terminated& termination() const { return termination_; }
  const v1::SpawnFailed& failure() const { return failure_; }
  int64_t ended_ns() const { return ended_ns_; }
  const OutputLog& log() const { return log_; }
  uint64_t dirty_bytes() const { return log_.total() + input_produced_; }

  // A new front is to be told all of it, instead of what the last one may have missed.
  void Offer();
  bool offered() const { return news_adopted_; }
  // For the keeper: whose business it is (null: that of a front to come), and membership of queues.
  Front* front = nullptr;
  // `kept`: by a front that retires. `let_go`: nobody's business any more, and gone after this
  // turn.
  bool queued_news = false, queued_runnable = false, kept = false, let_go = false;

 private:
  enum Tag : uint32_t { kReport, kLeader, kStdoutPipe, kStderrPipe, kStdinPipe };

  // A stream's pipe. `readable`: it may hold bytes (edge-triggered); `hung_up`: no writer is left.
  struct Pipe {
    UniqueFd fd;
    bool readable = false;
    bool hung_up = false;
    bool complete = false;
    // Of one turn of pumping.
    size_t turn_bytes = 64 * 1024;
  };

  absl::Status OpenPipes(UniqueFd ends[3]);
  absl::Status OpenTerminal(UniqueFd* end);
  void OnReport();
  void OnRunning();
  void Fail(v1::SpawnStep step, int error, std::string detail);
  void CloseDescriptors();
  void OnLeaderExit();
  void PumpInput();
  void EndInput();
  void Widen(Pipe* pipe);
  void OnOutputEnd(uint32_t stream);
  void OnOutputLimit();
  bool OutputOpen() const;
  bool OutputWaiting() const;
  bool OutputBlocked() const;
  bool OthersRun() const;
  bool OthersMayRun();
  void UpdateHold();
  void MaybeFinish();
  void Finish();
  void RecordEnd(int status, const rusage& usage);
  void StartLadder();
  void StopWaitingForReaders();
  void Kill(int signal, v1::KillScope scope);
  void KillFound(int signal);
  void CheckCpu();
  void ArmTimer();
  void MarkNews(bool* flag);
  void NoteProgress();

  SessionHost& host_;
  const uint64_t number_;
  const std::string id_;
  const uint32_t slot_;
  ChildPlan plan_;
  const uid_t uid_;
  // Of the spawn record, but argv and env.
  const bool has_input_, merge_stderr_, wait_for_eof_;
  const int64_t timeout_ns_;
  const int first_signal_, last_signal_;
  const int64_t grace_ns_;
  const v1::KillScope kill_scope_;
  const int64_t cpu_limit_ns_;
  const bool memory_limited_;
  // Its standard streams are a terminal, not pipes.
  const bool has_terminal_;
  const size_t descriptors_;
  WindowSize window_;
  // What fronts hand on to each other.
  const std::string front_record_;
  std::string front_state_;

  State state_ = State::kQueued;
  std::unique_ptr<Cgroup> cgroup_;
  Launcher::Child child_;
  std::array<Pipe, kStreams> pipes_;
  UniqueFd input_;
  OutputLog log_;
  const size_t ring_bytes_;

  uint64_t input_produced_ = 0, input_consumed_ = 0;
  bool input_eof_ = false;
  // Of a terminal: the last byte typed, and what is yet to be typed for an end of file.
  char last_typed_ = '\n';
  std::optional<EndOfFile> end_of_file_;

  // Deadlines on CLOCK_MONOTONIC; 0: none.
  int64_t timeout_deadline_ = 0, ladder_deadline_ = 0, hold_deadline_ = 0, spawned_deadline_ = 0;
  int64_t start_deadline_ = 0, cpu_check_ = 0, others_check_ = 0, input_deadline_ = 0;
  int64_t armed_timer_ = 0;
  int64_t hold_used_ns_ = 0, hold_since_ = 0;

  int64_t start_unix_ns_ = 0, start_ns_ = 0, ended_ns_ = 0;
  v1::EndCause end_cause_ = v1::END_CAUSE_UNSPECIFIED;
  std::string end_by_;
  bool held_open_ = false, leader_gone_ = false, give_up_after_ladder_ = false;
  // The keeper stops: no reader is waited for, whatever the front says.
  bool gave_up_ = false;

  // News for the front.
  bool news_adopted_ = false, news_spawned_ = false, news_progress_ = false, news_ended_ = false;
  // A Progress is under way and not yet answered by a Release.
  bool progress_sent_ = false;
  uint64_t front_seen_ = 0, front_consumed_seen_ = 0;

  v1::Terminated termination_;
  v1::SpawnFailed failure_;
};

}  // namespace nacre::keeper
