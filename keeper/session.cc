#include "keeper/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "base/log.h"
#include "keeper/descendants.h"

namespace nacre::keeper {
namespace {

// A command that writes on and on, or reads, gets a bigger pipe than the kernel's 64 KiB, and
// longer turns: each costs wake-ups of all who are on the way.
constexpr uint64_t kBusyBytes = 1024 * 1024;
constexpr size_t kBusyPipeBytes = 256 * 1024;
// How long, in all, an ended leader's session waits on an empty pipe that others hold open.
constexpr int64_t kHoldNs = 1'000'000'000;
// How soon a leader that a tracer keeps is asked for again.
constexpr int64_t kReapRetryNs = 20'000'000;
// How long the news that a command runs waits for more: then a short one's whole life is one
// datagram, and wakes the front once. A front that has input to give is not kept waiting.
constexpr int64_t kSpawnedHoldNs = 1'000'000;
// Input that the front has not heard of is reported in steps of this size, or when all has been
// consumed for a moment: whoever writes on and on needs no news of each piece.
constexpr uint64_t kInputStep = kInputRingBytes / 4;
constexpr int64_t kInputQuietNs = 2'000'000;
constexpr size_t kMaxState = 4096;
// How long a start may take. It holds a lane, and once it is its user's that user can stop it.
constexpr int64_t kStartNs = 10'000'000'000;
// How often at least, and at most, a limit on CPU time is looked at.
constexpr int64_t kMinCpuCheckNs = 10'000'000;
constexpr int64_t kMaxCpuCheckNs = 1'000'000'000;
// How often it is asked who is left of a command that is being ended and whose leader is gone.
constexpr int64_t kOthersCheckNs = 50'000'000;

constexpr int kDefaultFirstSignal = SIGTERM;
constexpr int kDefaultLastSignal = SIGKILL;
constexpr int64_t kDefaultGraceNs = 5'000'000'000;

int SignalOr(uint32_t number, int otherwise) {
  return number >= 1 && number <= 64 ? static_cast<int>(number) : otherwise;
}

// Durations of the front, bounded so that no deadline overflows.
int64_t Bounded(uint64_t ns) {
  constexpr uint64_t kCentury = 100ULL * 366 * 86400 * 1'000'000'000;
  return static_cast<int64_t>(std::min(ns, kCentury));
}

int64_t ToNs(const timeval& time) { return time.tv_sec * 1'000'000'000LL + time.tv_usec * 1000LL; }

// A pipe whose keeper's end does not block.
absl::Status OpenPipe(int keeper_end, UniqueFd* keeper, UniqueFd* child) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  keeper->reset(ends[keeper_end]);
  child->reset(ends[1 - keeper_end]);
  if (fcntl(keeper->get(), F_SETFL, O_NONBLOCK) != 0) return absl::ErrnoToStatus(errno, "fcntl");
  return absl::OkStatus();
}

// If it is a pipe, and one user's pipes have not reached their bound (pipe(7)).
void WidenPipe(int fd) { fcntl(fd, F_SETPIPE_SZ, static_cast<int>(kBusyPipeBytes)); }

}  // namespace

Session::Session(SessionHost& host, uint64_t number, std::string id, uint32_t slot, ChildPlan plan,
                 std::unique_ptr<Cgroup> cgroup, const v1::SpawnRecord& record)
    : host_(host),
      number_(number),
      id_(std::move(id)),
      slot_(slot),
      plan_(std::move(plan)),
      uid_(plan_.credentials.has_value() ? plan_.credentials->uid : getuid()),
      has_input_(record.input()),
      merge_stderr_(record.merge_stderr() || record.has_terminal()),
      wait_for_eof_(record.wait_for_eof()),
      timeout_ns_(Bounded(record.timeout_ns())),
      first_signal_(SignalOr(record.ladder().first_signal(), kDefaultFirstSignal)),
      last_signal_(SignalOr(record.ladder().last_signal(), kDefaultLastSignal)),
      grace_ns_(record.has_ladder() ? Bounded(record.ladder().grace_ns()) : kDefaultGraceNs),
      kill_scope_(record.kill_scope()),
      cpu_limit_ns_(Bounded(record.limits().cpu_ns())),
      memory_limited_(record.limits().memory_bytes() > 0),
      has_terminal_(record.has_terminal()),
      descriptors_(DescriptorsOf(record)),
      window_{.rows = static_cast<uint16_t>(record.terminal().rows()),
              .columns = static_cast<uint16_t>(record.terminal().columns())},
      front_record_(record.session_record()),
      cgroup_(std::move(cgroup)),
      log_(host.arena(), slot, record.ring_bytes()),
      ring_bytes_(record.ring_bytes()) {
  log_.Limit(record.limits().output_bytes());
  input_eof_ = has_terminal_ && !has_input_;
}

// Its pidfd, its pipes, or a terminal twice.
size_t Session::DescriptorsOf(const v1::SpawnRecord& record) {
  if (record.has_terminal()) return 3;
  return 2U + (record.merge_stderr() ? 0U : 1U) + (record.input() ? 1U : 0U);
}

// Reading and writing are watched apart, so each has a descriptor.
absl::Status Session::OpenTerminal(UniqueFd* end) {
  const auto owner =
      plan_.credentials.has_value() ? std::optional<uid_t>(plan_.credentials->uid) : std::nullopt;
  auto terminal = Terminal::Open(window_, owner);
  if (!terminal.ok()) return terminal.status();
  input_.reset(fcntl(terminal->master.get(), F_DUPFD_CLOEXEC, 0));
  if (!input_.valid()) return absl::ErrnoToStatus(errno, "dup");
  pipes_[kStdout].fd = std::move(terminal->master);
  *end = std::move(terminal->slave);
  return absl::OkStatus();
}

absl::Status Session::OpenPipes(UniqueFd ends[3]) {
  if (has_input_) {
    if (absl::Status status = OpenPipe(1, &input_, &ends[0]); !status.ok()) return status;
  } else {
    ends[0].reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!ends[0].valid()) return absl::ErrnoToStatus(errno, "/dev/null");
  }
  if (absl::Status status = OpenPipe(0, &pipes_[kStdout].fd, &ends[1]); !status.ok()) return status;
  if (merge_stderr_) return absl::OkStatus();
  return OpenPipe(0, &pipes_[kStderr].fd, &ends[2]);
}

void Session::Launch() {
  UniqueFd ends[3];
  absl::Status status = has_terminal_ ? OpenTerminal(&ends[0]) : OpenPipes(ends);
  if (!status.ok()) {
    Fail(v1::SPAWN_STEP_RESOURCES, 0, std::string(status.message()));
    return;
  }
  if (plan_.credentials.has_value() && !has_terminal_) {
    // A pipe belongs to who made it, and /dev/stdout is opened anew.
    for (int i = has_input_ ? 0 : 1; i < 3; ++i) {  // without input the first one is /dev/null
      if (!ends[i].valid()) continue;
      (void)!fchown(ends[i].get(), plan_.credentials->uid, plan_.credentials->gid);
    }
  }
  const int out = has_terminal_ ? ends[0].get() : ends[1].get();
  const int error = merge_stderr_ ? out : ends[2].get();
  UniqueFd cgroup;
  if (cgroup_ != nullptr) {
    auto opened = cgroup_->Open();
    if (!opened.ok()) {
      Fail(v1::SPAWN_STEP_RESOURCES, 0, std::string(opened.status().message()));
      return;
    }
    cgroup = *std::move(opened);
    plan_.cgroup = cgroup.get();
  }
  auto child = host_.launcher().Start(std::move(plan_), ends[0].get(), out, error);
  if (!child.ok()) {
    Fail(v1::SPAWN_STEP_RESOURCES, 0, std::string(child.status().message()));
    return;
  }
  start_unix_ns_ = WallNs();
  start_ns_ = MonotonicNs();
  child_ = *std::move(child);
  state_ = State::kStarting;
  if (timeout_ns_ > 0) timeout_deadline_ = start_ns_ + timeout_ns_;
  start_deadline_ = start_ns_ + kStartNs;
  ArmTimer();
  status = host_.loop().Add(child_.report.get(), EPOLLIN, this, kReport);
  status.Update(host_.loop().Add(child_.pidfd.get(), EPOLLIN | EPOLLONESHOT, this, kLeader));
  if (!status.ok()) {
    // No memory to watch it.
    kill(child_.pid, SIGKILL);
    waitpid(child_.pid, nullptr, 0);
    host_.launcher().Release(child_.lane);
    Fail(v1::SPAWN_STEP_RESOURCES, 0, std::string(status.message()));
  }
}

void Session::OnReport() {
  ChildReport reports[2];
  const ssize_t got = read(child_.report.get(), reports, sizeof(reports));
  const ChildReport* last = got > 0 ? &reports[got / sizeof(ChildReport) - 1] : nullptr;
  if (last != nullptr && last->step == ChildStep::kUnshared) {
    host_.launcher().Unstage(child_.lane);
    return;
  }
  host_.loop().Close(&child_.report);
  // A child that failed is on its last instruction, and on the lane's stack until it is gone. Its
  // user may have stopped it there.
  if (last != nullptr) {
    kill(child_.pid, SIGKILL);
    waitpid(child_.pid, nullptr, 0);
  }
  host_.launcher().Release(child_.lane);
  if (last == nullptr) {
    OnRunning();
  } else {
    Fail(static_cast<v1::SpawnStep>(last->step), last->error, "");
  }
}

void Session::OnRunning() {
  state_ = State::kRunning;
  start_deadline_ = 0;
  if (cpu_limit_ns_ > 0) cpu_check_ = MonotonicNs() + kMinCpuCheckNs;
  news_spawned_ = true;
  if (has_input_) {
    host_.OnNews(this);
  } else {
    spawned_deadline_ = MonotonicNs() + kSpawnedHoldNs;
  }
  absl::Status status;
  for (uint32_t stream = 0; stream < kStreams; ++stream) {
    if (!pipes_[stream].fd.valid()) continue;
    status.Update(
        host_.loop().Add(pipes_[stream].fd.get(), EPOLLIN | EPOLLET, this, kStdoutPipe + stream));
  }
  if (input_.valid()) {
    status.Update(host_.loop().Add(input_.get(), EPOLLOUT | EPOLLET, this, kStdinPipe));
  }
  if (!status.ok()) kill(child_.pid, SIGKILL);
  if (end_cause_ != v1::END_CAUSE_UNSPECIFIED) StartLadder();
  ArmTimer();
  if (leader_gone_) OnLeaderExit();
}

void Session::CloseDescriptors() {
  for (Pipe& pipe : pipes_) host_.loop().Close(&pipe.fd);
  host_.loop().Close(&input_);
  host_.loop().Close(&child_.pidfd);
}

void Session::Fail(v1::SpawnStep step, int error, std::string detail) {
  state_ = State::kFailed;
  start_deadline_ = 0;
  cgroup_.reset();
  CloseDescriptors();
  failure_.set_session(number_);
  failure_.set_step(step);
  failure_.set_error(static_cast<uint32_t>(error));
  failure_.set_detail(std::move(detail));
  host_.OnEnd(this);
}

void Session::OnEvent(uint32_t tag, uint32_t events) {
  if (over()) return;
  switch (tag) {
    case kReport:
      OnReport();
      break;
    case kLeader:
      OnLeaderExit();
      break;
    case kStdoutPipe:
    case kStderrPipe:
      pipes_[tag - kStdoutPipe].readable = true;
      pipes_[tag - kStdoutPipe].hung_up |= (events & EPOLLHUP) != 0;
      host_.OnRunnable(this);
      break;
    case kStdinPipe:
      PumpInput();
      break;
  }
}

bool Session::Turn() {
  if (over()) return false;
  bool more = false;
  for (uint32_t stream = 0; stream < kStreams; ++stream) {
    Pipe& pipe = pipes_[stream];
    if (!pipe.readable || !pipe.fd.valid()) continue;
    switch (log_.PullFrom(pipe.fd.get(), stream, pipe.turn_bytes)) {
      case OutputLog::Pull::kData:
        if (log_.bytes(stream) >= kBusyBytes) Widen(&pipe);
        more = true;
        break;
      case OutputLog::Pull::kLastData:
        // What comes later, the end included, is a new event; unless the end was in this one.
        pipe.readable = pipe.hung_up;
        more = more || pipe.hung_up;
        break;
      case OutputLog::Pull::kEmpty:
        pipe.readable = false;
        break;
      case OutputLog::Pull::kEnd:
        OnOutputEnd(stream);
        break;
      case OutputLog::Pull::kFull:
        break;
      case OutputLog::Pull::kOver:
        OnOutputLimit();
        break;
    }
  }
  NoteProgress();
  MaybeFinish();
  return more && !over();
}

void Session::Widen(Pipe* pipe) {
  if (pipe->turn_bytes == kBusyPipeBytes || !host_.MayWiden()) return;
  pipe->turn_bytes = kBusyPipeBytes;
  WidenPipe(pipe->fd.get());
}

void Session::OnOutputEnd(uint32_t stream) {
  Pipe& pipe = pipes_[stream];
  if (has_terminal_ && state_ != State::kExited) {
    // Nobody has the terminal open, but the command may open it again, by /dev/tty.
    pipe.readable = pipe.hung_up = false;
    return;
  }
  pipe.complete = true;
  host_.loop().Close(&pipe.fd);
}

// Who writes on meets a closed pipe, or a terminal that has hung up.
void Session::OnOutputLimit() {
  for (Pipe& pipe : pipes_) host_.loop().Close(&pipe.fd);
  if (has_terminal_) host_.loop().Close(&input_);
  End(v1::END_CAUSE_OUTPUT_LIMIT, "");
}

void Session::Release(const v1::Release& release) {
  log_.Release(release.position());
  if (over()) return;
  if (release.waits()) {
    front_seen_ = release.seen();
    front_consumed_seen_ = release.consumed_seen();
    progress_sent_ = false;
    NoteProgress();
  }
  for (const Pipe& pipe : pipes_) {
    if (pipe.readable && pipe.fd.valid()) host_.OnRunnable(this);
  }
}

void Session::SetOverflow(bool keep_newest) {
  log_.KeepNewest(keep_newest || gave_up_);
  if (!over()) host_.OnRunnable(this);
}

void Session::StopWaitingForReaders() {
  gave_up_ = true;
  SetOverflow(true);
}

absl::Status Session::Update(const std::string& state) {
  if (state.size() > kMaxState) return absl::InvalidArgumentError("update: the state is too big");
  front_state_ = state;
  return absl::OkStatus();
}

absl::Status Session::ProduceInput(uint64_t produced, bool eof) {
  if (!has_input_) return absl::InvalidArgumentError("the session has no input");
  if (produced < input_produced_ || produced - input_consumed_ > kInputRingBytes ||
      (input_eof_ && produced != input_produced_)) {
    return absl::InvalidArgumentError("input beyond its ring or its end");
  }
  input_produced_ = produced;
  input_eof_ = input_eof_ || eof;
  if (state_ == State::kRunning || state_ == State::kExited) PumpInput();
  return absl::OkStatus();
}

void Session::PumpInput() {
  while (input_.valid() && input_consumed_ < input_produced_) {
    const size_t offset = input_consumed_ % kInputRingBytes;
    const size_t bytes =
        std::min<uint64_t>(input_produced_ - input_consumed_, kInputRingBytes - offset);
    const ssize_t result = write(input_.get(), host_.arena().input(slot_) + offset, bytes);
    if (result < 0 && errno == EINTR) continue;
    if (result < 0 && errno == EAGAIN) break;
    if (result < 0) {
      // The command has closed its input: what there is goes nowhere. A pipe stays closed.
      input_consumed_ = input_produced_;
      if (!has_terminal_) host_.loop().Close(&input_);
      break;
    }
    const auto written = static_cast<uint64_t>(result);
    if (input_consumed_ < kBusyBytes && input_consumed_ + written >= kBusyBytes &&
        host_.MayWiden()) {
      WidenPipe(input_.get());
    }
    last_typed_ = host_.arena().input(slot_)[offset + written - 1];
    input_consumed_ += written;
  }
  if (!input_.valid()) input_consumed_ = input_produced_;
  host_.arena().header(slot_).consumed.store(input_consumed_, std::memory_order_release);
  if (input_eof_ && input_consumed_ == input_produced_) EndInput();
  NoteProgress();
}

// A pipe is closed; a terminal stays, and its end of file is typed.
void Session::EndInput() {
  if (!has_terminal_) {
    host_.loop().Close(&input_);
    return;
  }
  if (!input_.valid()) return;
  if (!end_of_file_.has_value()) end_of_file_ = EndOfFileOf(input_.get(), last_typed_);
  while (end_of_file_->count > 0) {
    const ssize_t written = write(input_.get(), &end_of_file_->character, 1);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return;
    --end_of_file_->count;
  }
}

absl::Status Session::Resize(WindowSize size) {
  if (!has_terminal_) return absl::InvalidArgumentError("resize: the session has no terminal");
  window_ = size;
  return input_.valid() ? ResizeTerminal(input_.get(), size) : absl::OkStatus();
}

absl::Status Session::SendSignal(int number, v1::KillScope scope) {
  if (number < 1 || number > 64) return absl::InvalidArgumentError("no such signal");
  if (state_ != State::kRunning && state_ != State::kExited) {
    return absl::FailedPreconditionError("the command does not run");
  }
  Kill(number, scope);
  return absl::OkStatus();
}

void Session::Kill(int signal, v1::KillScope scope) {
  switch (scope) {
    case v1::KILL_SCOPE_LEADER:
      kill(child_.pid, signal);
      break;
    case v1::KILL_SCOPE_PROCESS_GROUP:
      kill(-child_.pid, signal);
      break;
    default:
      if (cgroup_ != nullptr) {
        cgroup_->Signal(signal);
      } else {
        kill(-child_.pid, signal);
        KillFound(signal);
      }
  }
}

// Whoever stems from the leader and has left its process group.
void Session::KillFound(int signal) {
  const auto others = [this](pid_t pid) { return host_.IsOwnChild(pid); };
  for (const pid_t pid : FindDescendants(child_.pid, id_, others)) {
    if (getpgid(pid) != child_.pid) kill(pid, signal);
  }
}

void Session::CheckCpu() {
  const int64_t left = cpu_limit_ns_ - cgroup_->CpuNs();
  if (left <= 0) {
    cpu_check_ = 0;
    End(v1::END_CAUSE_CPU_LIMIT, "");
    return;
  }
  // All CPUs together can't use it up sooner.
  const int64_t soonest = left / std::max<int64_t>(1, sysconf(_SC_NPROCESSORS_ONLN));
  cpu_check_ = MonotonicNs() + std::clamp(soonest, kMinCpuCheckNs, kMaxCpuCheckNs);
}

void Session::End(v1::EndCause cause, const std::string& by) {
  if (over() || end_cause_ != v1::END_CAUSE_UNSPECIFIED) return;
  end_cause_ = cause;
  end_by_ = by;
  if (state_ == State::kRunning || state_ == State::kExited) {
    StartLadder();
    MaybeFinish();
  } else if (state_ == State::kStarting) {
    kill(child_.pid, SIGKILL);  // it is no command yet that could obey
  } else if (state_ == State::kQueued) {
    Fail(v1::SPAWN_STEP_SHUTDOWN, 0, "ended before it was started");
  }
}

void Session::EndForGood() {
  End(v1::END_CAUSE_SHUTDOWN, "");
  if (over()) return;
  give_up_after_ladder_ = true;
  if (ladder_deadline_ == 0 && state_ != State::kStarting) StopWaitingForReaders();
}

void Session::StartLadder() {
  timeout_deadline_ = 0;
  cpu_check_ = 0;
  Kill(first_signal_, kill_scope_);
  // An interactive shell ignores SIGTERM; what ends it is that its terminal goes.
  if (has_terminal_ && first_signal_ == SIGTERM) Kill(SIGHUP, kill_scope_);
  if (first_signal_ != SIGKILL)
    Kill(SIGCONT, kill_scope_);  // a stopped command must be able to obey
  ladder_deadline_ = MonotonicNs() + grace_ns_;
  ArmTimer();
}

void Session::OnTimer() {
  armed_timer_ = 0;
  if (over()) return;
  const int64_t now = MonotonicNs();
  if (spawned_deadline_ != 0 && now >= spawned_deadline_) {
    spawned_deadline_ = 0;
    if (news_spawned_) host_.OnNews(this);
  }
  if (input_deadline_ != 0 && now >= input_deadline_) {
    input_deadline_ = 0;
    if (!progress_sent_) MarkNews(&news_progress_);
  }
  if (timeout_deadline_ != 0 && now >= timeout_deadline_) {
    timeout_deadline_ = 0;
    End(v1::END_CAUSE_TIMED_OUT, "");
  }
  if (start_deadline_ != 0 && now >= start_deadline_) {
    start_deadline_ = 0;
    kill(child_.pid, SIGKILL);
  }
  if (cpu_check_ != 0 && now >= cpu_check_) CheckCpu();
  if (!over() && ladder_deadline_ != 0 && now >= ladder_deadline_) {
    ladder_deadline_ = others_check_ = 0;
    Kill(last_signal_, kill_scope_);
    if (give_up_after_ladder_) StopWaitingForReaders();
  }
  if (!over()) MaybeFinish();
  if (!over()) ArmTimer();
}

void Session::ArmTimer() {
  int64_t next = 0;
  for (int64_t deadline : {timeout_deadline_, ladder_deadline_, hold_deadline_, spawned_deadline_,
                           start_deadline_, cpu_check_, others_check_, input_deadline_}) {
    if (deadline != 0 && (next == 0 || deadline < next)) next = deadline;
  }
  host_.loop().SetTimer(this, &armed_timer_, next);
}

void Session::OnLeaderExit() {
  if (state_ == State::kStarting) {
    // It has reported, or was killed before it could: then the report ends only when the keeper's
    // own copy of it goes.
    leader_gone_ = true;
    host_.launcher().Unstage(child_.lane);
    return;
  }
  state_ = State::kExited;
  // What it wrote last may still be in a pipe whose event is yet to come: a turn looks.
  for (Pipe& pipe : pipes_) pipe.readable = pipe.fd.valid();
  host_.OnRunnable(this);
}

bool Session::OutputOpen() const {
  return pipes_[kStdout].fd.valid() || pipes_[kStderr].fd.valid();
}

// Whether every open pipe is empty, so that the wait is for whoever holds it and not for a reader.
bool Session::OutputWaiting() const {
  return std::none_of(pipes_.begin(), pipes_.end(),
                      [](const Pipe& pipe) { return pipe.fd.valid() && pipe.readable; });
}

bool Session::OutputBlocked() const {
  for (uint32_t stream = 0; stream < kStreams; ++stream) {
    const Pipe& pipe = pipes_[stream];
    if (pipe.fd.valid() && pipe.readable && !log_.HasRoom(stream)) return true;
  }
  return false;
}

void Session::UpdateHold() {
  const int64_t now = MonotonicNs();
  // A session that was ended goes on for its reader only, not for a writer that never stops.
  const bool ended = end_cause_ != v1::END_CAUSE_UNSPECIFIED;
  const bool counts =
      ended ? ladder_deadline_ == 0 && !OutputBlocked() : OutputWaiting() && !wait_for_eof_;
  if (hold_since_ != 0) hold_used_ns_ += now - hold_since_;
  hold_since_ = counts ? now : 0;
  hold_deadline_ = counts ? now + std::max<int64_t>(0, kHoldNs - hold_used_ns_) : 0;
  held_open_ = counts && hold_used_ns_ >= kHoldNs;
}

void Session::MaybeFinish() {
  if (state_ != State::kExited) return;
  if (OutputOpen()) {
    UpdateHold();
    if (!held_open_) {
      ArmTimer();
      return;
    }
  }
  if (OthersMayRun()) {
    ArmTimer();
    return;
  }
  Finish();
}

// Whether anybody beside the leader runs whom the ladder reaches.
bool Session::OthersRun() const {
  if (kill_scope_ == v1::KILL_SCOPE_LEADER) return false;
  const bool group = kill_scope_ == v1::KILL_SCOPE_PROCESS_GROUP;
  const auto own = [this](pid_t pid) { return host_.IsOwnChild(pid); };
  const std::vector<pid_t> found =
      cgroup_ != nullptr ? cgroup_->Processes() : FindDescendants(child_.pid, id_, own);
  return std::any_of(found.begin(), found.end(),
                     [&](pid_t pid) { return !group || getpgid(pid) == child_.pid; });
}

// While the ladder's grace lasts, those who have yet to obey have it too. They are looked for only
// now and then.
bool Session::OthersMayRun() {
  if (ladder_deadline_ == 0) return false;
  const int64_t now = MonotonicNs();
  if (now < others_check_) return true;
  others_check_ = OthersRun() ? now + kOthersCheckNs : 0;
  return others_check_ != 0;
}

void Session::Finish() {
  // Whoever is left of a group that had to go, goes with its leader.
  if (end_cause_ != v1::END_CAUSE_UNSPECIFIED) Kill(last_signal_, kill_scope_);
  int status = 0;
  rusage usage{};
  const pid_t reaped = wait4(child_.pid, &status, WNOHANG, &usage);
  if (reaped == 0) {
    // Exited, but a tracer keeps it: the keeper does not wait for strangers.
    hold_deadline_ = MonotonicNs() + kReapRetryNs;
    ArmTimer();
    return;
  }
  state_ = State::kEnded;
  host_.loop().SetTimer(this, &armed_timer_, 0);
  if (reaped < 0) log::Error("%s: its status is lost: errno %d", id_, errno);
  RecordEnd(status, usage);
  if (reaped < 0) termination_.set_cause(v1::END_CAUSE_UNSPECIFIED);
  cgroup_.reset();
  CloseDescriptors();
  MarkNews(&news_ended_);
  host_.OnEnd(this);
}

void Session::RecordEnd(int status, const rusage& usage) {
  v1::Terminated& end = termination_;
  end.set_session(number_);
  if (WIFSIGNALED(status)) {
    end.set_signal(WTERMSIG(status));
    end.set_core_dumped(WCOREDUMP(status));
    end.set_cause(v1::END_CAUSE_SIGNALED);
  } else {
    end.set_exit_code(WEXITSTATUS(status));
    end.set_cause(v1::END_CAUSE_EXITED);
  }
  if (memory_limited_ && end.signal() == SIGKILL && cgroup_->OutOfMemory()) {
    end.set_cause(v1::END_CAUSE_OUT_OF_MEMORY);
  }
  if (end_cause_ != v1::END_CAUSE_UNSPECIFIED) end.set_cause(end_cause_);
  end.set_by(end_by_);
  end.set_start_unix_ns(start_unix_ns_);
  end.set_end_unix_ns(WallNs());
  ended_ns_ = MonotonicNs();
  end.set_run_ns(ended_ns_ - start_ns_);
  end.set_user_ns(ToNs(usage.ru_utime));
  end.set_system_ns(ToNs(usage.ru_stime));
  end.set_max_rss_bytes(static_cast<uint64_t>(usage.ru_maxrss) * 1024);
  bool complete = true;
  for (uint32_t stream = 0; stream < (merge_stderr_ ? 1U : kStreams); ++stream) {
    v1::StreamTotal* total = end.add_streams();
    total->set_bytes(log_.bytes(stream));
    total->set_xxh3_128(log_.Digest(stream));
    complete = complete && pipes_[stream].complete;
  }
  end.set_output_complete(complete);
  end.set_output_held_open(held_open_);
}

void Session::NoteProgress() {
  if (progress_sent_ || over()) return;
  const uint64_t unheard = input_consumed_ - front_consumed_seen_;
  if (log_.total() > front_seen_ || unheard >= kInputStep) {
    MarkNews(&news_progress_);
  } else if (unheard > 0 && input_consumed_ == input_produced_) {
    input_deadline_ = MonotonicNs() + kInputQuietNs;
    ArmTimer();
  }
}

void Session::MarkNews(bool* flag) {
  *flag = true;
  host_.OnNews(this);
}

void Session::Offer() {
  news_spawned_ = news_progress_ = news_ended_ = false;
  // It hears of progress once it says that it waits.
  progress_sent_ = true;
  MarkNews(&news_adopted_);
}

v1::Adopted Session::Describe() const {
  v1::Adopted adopted;
  adopted.set_session(number_);
  adopted.set_slot(slot_);
  adopted.set_ring_bytes(ring_bytes_);
  adopted.set_running(state_ == State::kRunning || state_ == State::kExited);
  adopted.set_pid(child_.pid > 0 ? static_cast<uint32_t>(child_.pid) : 0);
  adopted.set_start_unix_ns(static_cast<uint64_t>(start_unix_ns_));
  adopted.set_released(log_.released());
  adopted.set_input_produced(input_produced_);
  adopted.set_input_eof(input_eof_);
  adopted.set_session_record(front_record_);
  adopted.set_state(front_state_);
  if (state_ != State::kEnded) return adopted;
  *adopted.mutable_terminated() = termination_;
  adopted.set_kept(log_.kept());
  adopted.set_ended_ago_ns(static_cast<uint64_t>(MonotonicNs() - ended_ns_));
  return adopted;
}

void Session::TakeNews(v1::KeeperMessage* message) {
  if (std::exchange(news_adopted_, false)) {
    *message->add_events()->mutable_adopted() = Describe();
    news_spawned_ = news_ended_ = false;  // told
  }
  if (std::exchange(news_spawned_, false)) {
    spawned_deadline_ = 0;
    v1::Spawned* spawned = message->add_events()->mutable_spawned();
    spawned->set_session(number_);
    spawned->set_slot(slot_);
    spawned->set_ring_bytes(ring_bytes_);
    spawned->set_pid(static_cast<uint32_t>(child_.pid));
    spawned->set_start_unix_ns(static_cast<uint64_t>(start_unix_ns_));
  }
  if (std::exchange(news_progress_, false) && !over() && !progress_sent_) {
    message->add_events()->mutable_progress()->set_session(number_);
    progress_sent_ = true;
  }
  if (std::exchange(news_ended_, false))
    *message->add_events()->mutable_terminated() = termination_;
}

}  // namespace nacre::keeper
