#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "base/log.h"
#include "keeper/descendants.h"
#include "keeper/node_id.h"

namespace nacre::keeper {
namespace {

constexpr uint32_t kProtocolVersion = 3;
constexpr size_t kMaxRecordBytes = 2 * 1024 * 1024;
constexpr size_t kMaxSessionRecord = 16 * 1024;
constexpr size_t kMaxBy = 256;
// Session numbers that a front may leave out at once: so many that no front can use them all up.
constexpr uint64_t kMaxLeftOut = 1'000'000;
// Descriptors of the keeper itself.
constexpr size_t kOwnFds = 32;
// Sessions of which a plain user's keeper widens pipes: all pipes of one user have 64 MiB, by
// default (/proc/sys/fs/pipe-user-pages-soft), and beyond it new ones get 8 KiB.
constexpr size_t kMaxWide = 64;
// Of a start beside those of its session.
constexpr size_t kFdsPerStart = 2;
// How long a front may take to leave once it has nothing left to do.
constexpr int64_t kFrontLeaveNs = 10'000'000'000;
// How long a front may take to let go of its sessions, and to finish those it keeps.
constexpr int64_t kRetireNs = 5'000'000'000;
constexpr int64_t kRetiredNs = 70'000'000'000;
// How soon orphans that have ended are reaped, and empty cgroups removed.
constexpr int64_t kReapNs = 500'000'000;
constexpr int64_t kTidyNs = 1'000'000'000;
// Blocks from this size on go back to the system when they are freed: logs of ended sessions would
// leave the heap full of holes.
constexpr int kMmapThreshold = 16 * 1024;

// More starts under way than cores only wait for each other.
int LaneCount() {
  return static_cast<int>(std::clamp(2 * std::thread::hardware_concurrency(), 4U, 32U));
}

// What open() gives, tried again for a while as long as somebody else has it: a daemon that was
// killed lets go of its lock and its addresses a moment later, when its front has gone.
template <typename Open>
auto OnceFree(Open open) {
  constexpr int64_t kPatienceNs = 2'000'000'000;
  const int64_t deadline = MonotonicNs() + kPatienceNs;
  auto opened = open();
  while (absl::IsUnavailable(opened.status()) && MonotonicNs() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    opened = open();
  }
  return opened;
}

// The record of a big spawn: a memfd that can't change any more.
absl::StatusOr<v1::SpawnRecord> ReadRecord(int fd) {
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  const int seals = fcntl(fd, F_GET_SEALS);
  struct stat info;
  if (seals < 0 || (seals & kSeals) != kSeals || fstat(fd, &info) != 0) {
    return absl::InvalidArgumentError("a spawn record is not a sealed memfd");
  }
  if (static_cast<size_t>(info.st_size) > kMaxRecordBytes) {
    return absl::InvalidArgumentError("a spawn record is too big");
  }
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  v1::SpawnRecord record;
  if (pread(fd, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()) ||
      !record.ParseFromString(bytes)) {
    return absl::InvalidArgumentError("a spawn record can't be parsed");
  }
  return record;
}

std::string EndLine(const std::string& id, const v1::Terminated& end) {
  return absl::StrFormat(
      R"({"event":"end","session":"%s","cause":"%s","exit_code":%d,"signal":%d,"stdout_bytes":%d,)"
      R"("stderr_bytes":%d,"run_ms":%d})",
      id, v1::EndCause_Name(end.cause()).substr(sizeof("END_CAUSE_") - 1), end.exit_code(),
      end.signal(), end.streams_size() > 0 ? end.streams(0).bytes() : 0,
      end.streams_size() > 1 ? end.streams(1).bytes() : 0, end.run_ns() / 1'000'000);
}

std::string FailureLine(const std::string& id, const v1::SpawnFailed& failure) {
  return absl::StrFormat(
      R"({"event":"end","session":"%s","cause":"NOT_STARTED","step":"%s","errno":%d})", id,
      v1::SpawnStep_Name(failure.step()).substr(sizeof("SPAWN_STEP_") - 1), failure.error());
}

v1::SpawnStep StepOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return v1::SPAWN_STEP_REQUEST;
    case absl::StatusCode::kResourceExhausted:
      return v1::SPAWN_STEP_RESOURCES;
    case absl::StatusCode::kUnavailable:
      return v1::SPAWN_STEP_SHUTDOWN;
    case absl::StatusCode::kPermissionDenied:
      return v1::SPAWN_STEP_USER;
    case absl::StatusCode::kUnimplemented:
      return v1::SPAWN_STEP_LIMITS;
    case absl::StatusCode::kInternal:
      return v1::SPAWN_STEP_AUDIT;
    default:
      return v1::SPAWN_STEP_RESOURCES;
  }
}

v1::KeeperEvent Retire() {
  v1::KeeperEvent event;
  event.mutable_retire();
  return event;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Keeper>> Keeper::Create(KeeperOptions options) {
  std::unique_ptr<Keeper> keeper(new Keeper(std::move(options)));
  if (absl::Status status = keeper->Open(); !status.ok()) return status;
  return keeper;
}

absl::Status Keeper::Open() {
  start_unix_ns_ = WallNs();
  mallopt(M_MMAP_THRESHOLD, kMmapThreshold);
  rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  const rlimit raised{files.rlim_max, files.rlim_max};
  setrlimit(RLIMIT_NOFILE, &raised);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a full audit is an error, not an end
  // Early, so that its descriptors are low ones.
  const int lanes = LaneCount();
  auto launcher = options_.make_launcher(lanes, files.rlim_cur, files.rlim_max);
  if (!launcher.ok()) return launcher.status();
  launcher_ = *std::move(launcher);
  auto front_launcher = options_.make_launcher(1, files.rlim_max, files.rlim_max);
  if (!front_launcher.ok()) return front_launcher.status();
  front_launcher_ = *std::move(front_launcher);
  auto files_launcher = options_.make_launcher(FileHelpers::kLanes, files.rlim_max, files.rlim_max);
  if (!files_launcher.ok()) return files_launcher.status();
  file_helpers_ = std::make_unique<FileHelpers>(loop_, *std::move(files_launcher));
  max_wide_ = geteuid() == 0 ? SIZE_MAX : kMaxWide;
  max_starts_of_user_ = std::max(1, lanes / 2);
  // A start needs some more than the session that it becomes.
  const size_t reserved = kOwnFds + (Spawner::kFdsPerLane + kFdsPerStart) *
                                        (static_cast<size_t>(lanes) + 1 + FileHelpers::kLanes);
  max_descriptors_ = files.rlim_max > reserved ? files.rlim_max - reserved : 0;

  auto lock = OnceFree([this] { return LockDirectory(options_.state_dir); });
  if (!lock.ok()) return lock.status();
  lock_ = *std::move(lock);
  if (absl::Status status = OpenSpool(); !status.ok()) return status;
  auto node_id = NodeId(options_.state_dir);
  if (!node_id.ok()) return node_id.status();
  node_id_ = *std::move(node_id);
  auto archive = Archive::Open(options_.state_dir + "/ended");
  if (!archive.ok()) return archive.status();
  archive_ = *std::move(archive);
  auto audit = AuditLog::Open(options_.state_dir + "/audit.jsonl");
  if (!audit.ok()) return audit.status();
  audit_ = *std::move(audit);
  users_ = options_.serving.users;
  auto arena = Arena::Create(options_.max_sessions);
  if (!arena.ok()) return arena.status();
  arena_ = *std::move(arena);
  if (absl::Status status = OpenListeners(options_.serving); !status.ok()) return status;
  while (epoch_ == 0) {
    if (getrandom(&epoch_, sizeof(epoch_), 0) != sizeof(epoch_)) epoch_ = 0;
  }
  // Who ignored it has handed that on to us, and the kernel would reap what is ours to reap.
  signal(SIGCHLD, SIG_DFL);
  sigset_t handled;
  sigemptyset(&handled);
  for (int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&handled, number);
  sigprocmask(SIG_BLOCK, &handled, nullptr);
  signals_.reset(signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK));
  if (absl::Status status = OpenCgroups(); !status.ok()) return status;
  return loop_.Add(signals_.get(), EPOLLIN, this, 0);
}

// Takes the addresses that are wanted and not yet ours, and lets go of the others; all or nothing.
absl::Status Keeper::OpenListeners(const ServingOptions& serving) {
  const std::vector<ListenOption>& wanted = serving.listen;
  std::vector<std::shared_ptr<Listener>> listeners, ours = listeners_;
  for (const ListenOption& option : wanted) {
    const std::string address = option.address.ToString();
    const auto known = std::find_if(ours.begin(), ours.end(), [&](const auto& listener) {
      return listener->asked_for().ToString() == address;
    });
    if (known != ours.end()) {
      listeners.push_back(std::move(*known));
      ours.erase(known);  // an address with port 0 may be asked for twice
      continue;
    }
    // Only the start may wait: later there are sessions.
    auto opened = listeners_.empty() ? OnceFree([&] { return Listener::Open(option.address); })
                                     : Listener::Open(option.address);
    if (!opened.ok()) return opened.status();
    listeners.push_back(std::make_shared<Listener>(*std::move(opened)));
  }
  for (size_t i = 0; i < listeners.size(); ++i) {
    if (absl::Status status = listeners[i]->ShareWith(serving.socket_group); !status.ok()) {
      return status;
    }
    const std::string address = listeners[i]->address().ToString();
    log::Info("listening on %s (%s)", address, wanted[i].name);
    if (!wanted[i].warning.empty()) log::Warning("%s: %s", address, wanted[i].warning);
  }
  listeners_ = std::move(listeners);
  return absl::OkStatus();
}

std::string Keeper::SpoolPath() const { return options_.state_dir + "/spool"; }

absl::Status Keeper::OpenSpool() {
  if (!options_.serving.spool) return absl::OkStatus();
  return MakeDirectory(SpoolPath(), options_.serving.front.credentials);
}

absl::Status Keeper::OpenCgroups() {
  absl::Status why = absl::FailedPreconditionError("they are switched off");
  if (options_.cgroup != "off") {
    auto cgroups =
        Cgroups::Open(options_.cgroup == "auto" ? "" : options_.cgroup, options_.state_dir);
    if (cgroups.ok()) {
      cgroups_ = *std::move(cgroups);
      log::Info("sessions are cgroups in %s", cgroups_->path());
      return absl::OkStatus();
    }
    why = cgroups.status();
    if (options_.cgroup != "auto") {
      return absl::Status(why.code(),
                          absl::StrCat("cgroup ", options_.cgroup, ": ", why.message()));
    }
  }
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  log::Info("sessions have no cgroups, so their processes are searched for: %s",
            std::string(why.message()));
  return absl::OkStatus();
}

absl::Status Keeper::Run() {
  if (absl::Status status = Start(); !status.ok()) return status;
  while (!Done()) Turn(/*wait=*/true);
  log::Info("stopped");
  return absl::OkStatus();
}

absl::Status Keeper::Start() {
  auto front = StartFront();
  if (!front.ok()) return front.status();
  front_ = *std::move(front);
  return absl::OkStatus();
}

bool Keeper::Turn(bool wait) {
  const bool any = loop_.RunOnce(/*poll=*/!wait || !runnable_.empty());
  PumpRunnable();
  LaunchQueued();
  file_helpers_->LaunchQueued();
  for (Front* one : Fronts()) one->Flush();
  EndTurn();
  return any;
}

// --- the fronts' lives --------------------------------------------------------------------------

std::vector<Front*> Keeper::Fronts() const {
  std::vector<Front*> fronts;
  for (Front* front : {front_.get(), successor_.get()}) {
    if (front != nullptr) fronts.push_back(front);
  }
  for (const auto& front : retired_) fronts.push_back(front.get());
  return fronts;
}

absl::StatusOr<std::unique_ptr<Front>> Keeper::StartFront() {
  auto process = FrontProcess::Start(*front_launcher_, options_.serving.front);
  if (!process.ok()) return process.status();
  auto front = std::make_unique<Front>(*this, *std::move(process));
  if (absl::Status status = front->Watch(); !status.ok()) return status;
  log::Info("front started, pid %d", front->pid());
  return front;
}

void Keeper::OnFrontExit(Front& front) {
  const int64_t served = front.served_ns();
  std::vector<Session*> left;
  for (const auto& [number, session] : sessions_) {
    if (session->front != &front) continue;
    front.Drop(session.get());
    session->front = nullptr;
    left.push_back(session.get());
  }
  file_helpers_->Drop(&front);
  if (&front == successor_.get()) {
    log::Error("the new front (pid %d) %s%s", front.pid(), front.how(),
               front_ != nullptr ? "; the one that serves goes on" : "");
    gone_.push_back(std::move(successor_));
    Unload();
    if (front_ == nullptr) StartNext(served);
    return;
  }
  if (&front != front_.get()) {
    log::Info("the retired front (pid %d) %s", front.pid(), front.how());
    const auto it = std::find_if(retired_.begin(), retired_.end(),
                                 [&](const auto& one) { return one.get() == &front; });
    gone_.push_back(std::move(*it));
    retired_.erase(it);
    // What it could not finish.
    if (front_ != nullptr && front_->prepared) {
      Offer(*front_, left);
    } else if (draining_ && front_ == nullptr) {
      EndAlone();
    }
    return;
  }
  gone_.push_back(std::move(front_));
  retiring_ = false;
  front_kill_at_ = 0;
  if (successor_ != nullptr) {
    log::Error("front (pid %d) %s; the new one takes over", front.pid(), front.how());
    if (successor_->prepared) TakeOver();
  } else if (draining_) {
    log::Info("front (pid %d) %s", front.pid(), front.how());
    EndAlone();
  } else {
    log::Error("front (pid %d) %s; %d sessions go on", front.pid(), front.how(), running_);
    StartNext(served);
  }
}

// There is no front any more, nor one that is about to take over.
void Keeper::StartNext(int64_t served_ns) {
  if (draining_) {
    EndAlone();
    return;
  }
  const int64_t delay = backoff_.NextDelayNs(served_ns);
  log::Info("front: the next one starts in %d ms", delay / 1'000'000);
  restart_at_ = MonotonicNs() + delay;
  ArmTimer();
}

absl::Status Keeper::Hello(Front& front, const v1::Hello& hello) {
  if (front.version() != 0) return absl::InvalidArgumentError("a second hello");
  const uint32_t version = std::min(hello.protocol_version(), kProtocolVersion);
  if (version + 1 < kProtocolVersion || hello.protocol_version() > kProtocolVersion + 1) {
    return absl::InvalidArgumentError(absl::StrFormat("the front speaks protocol %d, not %d",
                                                      hello.protocol_version(), kProtocolVersion));
  }
  log::Info("front speaks protocol %d, version %s", hello.protocol_version(), hello.version());
  v1::KeeperMessage message;
  v1::Welcome* welcome = message.add_events()->mutable_welcome();
  welcome->set_protocol_version(version);
  welcome->set_epoch(epoch_);
  welcome->set_next_session(next_session_);
  welcome->set_uid(users_.own().uid);
  welcome->set_user(users_.own().name);
  welcome->set_max_sessions(options_.max_sessions);
  welcome->set_insecure_loopback(options_.serving.insecure_loopback);
  welcome->set_kill_method(cgroups_ != nullptr ? "cgroup" : "search");
  welcome->set_pid(static_cast<uint32_t>(getpid()));
  welcome->set_start_unix_ns(static_cast<uint64_t>(start_unix_ns_));
  welcome->set_draining_asked(draining_asked_);
  welcome->set_node_id(node_id_);
  welcome->set_max_descriptors(max_descriptors_);
  for (const User& user : users_.allowed()) {
    v1::User* allowed = welcome->add_users();
    allowed->set_uid(user.uid);
    allowed->set_name(user.name);
  }
  std::vector<int> fds = {arena_->front_output_fd(), arena_->front_input_fd()};
  for (size_t i = 0; i < listeners_.size(); ++i) {
    const ListenOption& option = options_.serving.listen[i];
    v1::Listener* entry = welcome->add_listeners();
    entry->set_name(option.name);
    entry->set_address(listeners_[i]->address().ToString());
    entry->set_secret_name(option.secret_name);
    entry->set_secret(option.secret);
    fds.push_back(listeners_[i]->fd());
  }
  UniqueFd spool;
  if (options_.serving.spool) {
    spool.reset(open(SpoolPath().c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    welcome->set_spool(spool.valid());
    if (spool.valid()) fds.push_back(spool.get());
  }
  if (draining_) message.add_events()->mutable_drain();
  front.Greet(message, fds, version);
  return absl::OkStatus();
}

void Keeper::OnPrepared(Front& front) {
  if (std::exchange(front.prepared, true)) return;
  if (&front == front_.get()) {
    HandOver(front);
  } else if (&front != successor_.get() || (draining_ && front_ != nullptr)) {
    return;  // it was replaced, or comes too late, and is being killed
  } else if (front_ == nullptr) {
    TakeOver();
  } else {
    front_->Tell(Retire());
    front_->MustGoBy(MonotonicNs() + kRetireNs);
    retiring_ = true;
  }
}

void Keeper::OnRetired() {
  front_->MustGoBy(MonotonicNs() + kRetiredNs);
  for (const auto& [number, session] : sessions_) {
    if (session->front != front_.get() || session->kept) continue;
    front_->Drop(session.get());
    session->front = nullptr;
  }
  retired_.push_back(std::move(front_));
  retiring_ = false;
  if (successor_ != nullptr) {
    TakeOver();
  } else if (draining_) {
    EndAlone();
  } else {
    restart_at_ = MonotonicNs();  // it has died meanwhile
    ArmTimer();
  }
}

// The successor is the front from now on.
void Keeper::TakeOver() {
  front_ = std::move(successor_);
  before_reload_.reset();
  HandOver(*front_);
  if (draining_ && drain_deadline_ == 0) {  // all has been ended, so there is little to do for it
    front_kill_at_ = MonotonicNs() + kFrontLeaveNs;
    ArmTimer();
  }
}

void Keeper::HandOver(Front& front) {
  std::vector<Session*> sessions;
  for (const auto& [number, session] : sessions_) {
    if (session->front == nullptr) sessions.push_back(session.get());
  }
  front.HandOver(next_session_);
  Offer(front, sessions);
}

// It hears of these sessions, and they are its own.
void Keeper::Offer(Front& front, const std::vector<Session*>& sessions) {
  for (Session* session : sessions) {
    if (session->let_go) continue;
    session->front = &front;
    session->kept = false;
    if (session->state() != Session::State::kFailed) session->Offer();
  }
}

absl::Status Keeper::Reload() {
  auto serving = options_.reload();
  if (!serving.ok()) return serving.status();
  Served before{options_.serving, listeners_, users_};
  if (absl::Status status = OpenListeners(*serving); !status.ok()) return status;
  if (!before_reload_.has_value()) before_reload_ = std::move(before);
  users_ = serving->users;
  options_.serving = *std::move(serving);
  return OpenSpool();
}

// The new front can't serve what was read: all is as before.
void Keeper::Unload() {
  if (!before_reload_.has_value()) return;
  options_.serving = std::move(before_reload_->options);
  listeners_ = std::move(before_reload_->listeners);
  users_ = std::move(before_reload_->users);
  before_reload_.reset();
  log::Warning("SIGHUP: configuration, users and listeners are as they were before");
  for (const auto& listener : listeners_) {
    const absl::Status status = listener->ShareWith(options_.serving.socket_group);
    if (!status.ok()) log::Error("%s", std::string(status.message()));
  }
}

void Keeper::Upgrade() {
  if (draining_) {
    log::Info("SIGHUP: the node is draining; nothing is done");
    return;
  }
  if (retiring_) {
    log::Warning("SIGHUP: a new front is about to take over already; nothing is done");
    return;
  }
  if (absl::Status status = Reload(); !status.ok()) {
    log::Error("SIGHUP: %s; all stays as it is", std::string(status.message()));
    return;
  }
  log::Info("SIGHUP: configuration and users were read again; a new front starts");
  if (successor_ != nullptr) {
    successor_->Kill(SIGKILL);
    retired_.push_back(std::move(successor_));
  }
  if (front_ == nullptr || !front_->prepared) {
    before_reload_.reset();  // there is no front that was started with it
    if (front_ != nullptr) {
      front_->Kill(SIGKILL);  // one starts after it
    } else if (restart_at_ == 0) {
      StartNext(0);  // what has just been replaced was to serve
    }
    return;
  }
  auto front = StartFront();
  if (!front.ok()) {
    log::Error("the new front: %s; the one that serves goes on",
               std::string(front.status().message()));
    Unload();
    return;
  }
  successor_ = *std::move(front);
}

// --- the fronts' requests -----------------------------------------------------------------------

absl::StatusOr<Session*> Keeper::Find(const Front& front, uint64_t number) {
  const auto it = sessions_.find(number);
  if (it == sessions_.end() || it->second->let_go) {
    return absl::NotFoundError(absl::StrFormat("there is no session %d", number));
  }
  if (it->second->front == &front) return it->second.get();
  return absl::PermissionDeniedError(
      absl::StrFormat("session %d is another front's business", number));
}

absl::Status Keeper::OnRequest(Front& front, const v1::FrontRequest& request,
                               const UniqueFd* record_fd) {
  const bool serves = &front == front_.get() && front.prepared;
  switch (request.request_case()) {
    case v1::FrontRequest::kHello:
      return Hello(front, request.hello());
    case v1::FrontRequest::kPrepared:
      OnPrepared(front);
      return absl::OkStatus();
    case v1::FrontRequest::kReady:
      if (!serves) return absl::FailedPreconditionError("ready: it is not the front's turn");
      log::Info("front serves");
      front.NoteServing();
      return absl::OkStatus();
    case v1::FrontRequest::kSpawn:
      if (!serves) return absl::FailedPreconditionError("spawn: it is not the front's turn");
      return HandleSpawn(front, request.spawn(), record_fd);
    case v1::FrontRequest::kAudit:
      return HandleAudit(front, request.audit());
    case v1::FrontRequest::kSetDraining:
      if (!serves) return absl::FailedPreconditionError("set draining: it is not the front's turn");
      return SetDraining(front, request.set_draining());
    case v1::FrontRequest::kOpenLog:
      // Answered in any case, so that the front never waits in vain.
      front.TellLog(request.open_log().session());
      if (archive_->Has(request.open_log().session())) return absl::OkStatus();
      return absl::NotFoundError("open log: no such session is archived");
    case v1::FrontRequest::kOpenFiles:
      HandleOpenFiles(front, request.open_files().user());
      return absl::OkStatus();
    case v1::FrontRequest::kRetired:
      if (!serves || !retiring_) return absl::FailedPreconditionError("retired: nobody asked");
      OnRetired();
      return absl::OkStatus();
    case v1::FrontRequest::kForget:
      // What is archived is the business of the front that serves.
      if (archive_->Has(request.forget().session()) && !serves) {
        return absl::FailedPreconditionError("forget: it is not the front's turn");
      }
      if (archive_->Forget(request.forget().session())) return absl::OkStatus();
      return HandleSession(front, request.forget().session(), request);
    case v1::FrontRequest::kRelease:
      return HandleSession(front, request.release().session(), request);
    case v1::FrontRequest::kInput:
      return HandleSession(front, request.input().session(), request);
    case v1::FrontRequest::kSignal:
      return HandleSession(front, request.signal().session(), request);
    case v1::FrontRequest::kEnd:
      return HandleSession(front, request.end().session(), request);
    case v1::FrontRequest::kUpdate:
      return HandleSession(front, request.update().session(), request);
    case v1::FrontRequest::kSetOverflow:
      return HandleSession(front, request.set_overflow().session(), request);
    case v1::FrontRequest::kArchive:
      return HandleSession(front, request.archive().session(), request);
    case v1::FrontRequest::kKeep:
      return HandleSession(front, request.keep().session(), request);
    case v1::FrontRequest::kResize:
      return HandleSession(front, request.resize().session(), request);
    case v1::FrontRequest::REQUEST_NOT_SET:
      break;
  }
  return absl::UnimplementedError("a request that this keeper does not serve");
}

absl::Status Keeper::HandleAudit(Front& front, const v1::AuditRecord& record) {
  absl::Status status = audit_->Append(record.line());
  if (record.id() != 0) {
    v1::KeeperEvent event;
    event.mutable_audited()->set_id(record.id());
    event.mutable_audited()->set_failed(std::string(status.message()));
    front.Tell(std::move(event));
  }
  return status;
}

// What is not in the audit is not done. A front that is about to take over was welcomed before.
absl::Status Keeper::SetDraining(Front& front, const v1::SetDraining& asked) {
  absl::Status status = audit_->Append(asked.line());
  if (status.ok() && draining_asked_ != asked.draining()) {
    draining_asked_ = asked.draining();
    log::Info(
        "%s; %d sessions run",
        draining_asked_ ? "new sessions are refused, as was asked" : "new sessions are taken again",
        running_);
  }
  v1::KeeperEvent event;
  event.mutable_draining_set()->set_id(asked.id());
  event.mutable_draining_set()->set_draining(draining_asked_);
  event.mutable_draining_set()->set_failed(std::string(status.message()));
  front.Tell(event);
  if (successor_ != nullptr && status.ok()) {
    event.mutable_draining_set()->set_id(0);
    successor_->Tell(std::move(event));
  }
  return status;
}

// Answered in any case, so that the front never waits in vain.
void Keeper::HandleOpenFiles(Front& front, const std::string& name) {
  const auto answer = [&front, name](absl::StatusOr<UniqueFd> channel) {
    v1::KeeperEvent event;
    event.mutable_files_opened()->set_user(name);
    if (!channel.ok()) {
      event.mutable_files_opened()->set_failed(std::string(channel.status().message()));
      log::Warning("files as %s: %s", log::Escape(name), event.files_opened().failed());
    }
    front.TellWith(std::move(event), channel.ok() ? *std::move(channel) : UniqueFd());
  };
  auto user = users_.Find(name);
  if (!user.ok()) {
    answer(user.status());
  } else if (draining_ || options_.serving.files.empty()) {
    answer(absl::UnavailableError(draining_ ? "the node is shutting down"
                                            : "this node serves no files"));
  } else {
    file_helpers_->Start(&front, options_.serving.files, *user, CredentialsOf(*user), answer);
  }
}

std::optional<Credentials> Keeper::CredentialsOf(const User& user) const {
  if (user.name == users_.own().name && !users_.own_has_other_groups()) return std::nullopt;
  return Credentials{.uid = user.uid, .gid = user.gid, .groups = user.groups};
}

absl::Status Keeper::HandleSession(Front& front, uint64_t number, const v1::FrontRequest& request) {
  auto found = Find(front, number);
  if (!found.ok()) return found.status();
  Session* session = *found;
  switch (request.request_case()) {
    case v1::FrontRequest::kRelease:
      session->Release(request.release());
      return absl::OkStatus();
    case v1::FrontRequest::kInput:
      return session->ProduceInput(request.input().produced(), request.input().eof());
    case v1::FrontRequest::kSignal:
      return session->SendSignal(static_cast<int>(request.signal().number()),
                                 request.signal().scope());
    case v1::FrontRequest::kEnd:
      if (request.end().by().size() > kMaxBy ||
          (request.end().cause() != v1::END_CAUSE_CANCELLED &&
           request.end().cause() != v1::END_CAUSE_DISCONNECTED)) {
        return absl::InvalidArgumentError("end: cause or name out of bounds");
      }
      session->End(request.end().cause(), request.end().by());
      return absl::OkStatus();
    case v1::FrontRequest::kForget:
      if (!session->over()) return absl::FailedPreconditionError("forget: it still runs");
      LetGo(session);
      return absl::OkStatus();
    case v1::FrontRequest::kUpdate:
      return session->Update(request.update().state());
    case v1::FrontRequest::kSetOverflow:
      session->SetOverflow(request.set_overflow().keep_newest());
      return absl::OkStatus();
    case v1::FrontRequest::kResize:
      if (request.resize().rows() > UINT16_MAX || request.resize().columns() > UINT16_MAX) {
        return absl::InvalidArgumentError("resize: the terminal is too big");
      }
      return session->Resize({.rows = static_cast<uint16_t>(request.resize().rows()),
                              .columns = static_cast<uint16_t>(request.resize().columns())});
    case v1::FrontRequest::kArchive:
      // That of a front that has retired is archived by the next one, which has to hear of it.
      return &front == front_.get() ? HandleArchive(session) : absl::OkStatus();
    default:  // kKeep
      if (!retiring_) return absl::FailedPreconditionError("keep: nobody asked it to retire");
      session->kept = true;
      return absl::OkStatus();
  }
}

absl::Status Keeper::HandleArchive(Session* session) {
  if (archive_->Has(session->number())) {
    return absl::FailedPreconditionError("archive: it was already");
  }
  if (session->state() != Session::State::kEnded) {
    return absl::FailedPreconditionError("archive: it still runs");
  }
  archive_->Put(session->Describe(), session->ended_ns(), session->log().Pieces());
  LetGo(session);  // what is left of it
  return absl::OkStatus();
}

absl::Status Keeper::HandleSpawn(Front& front, const v1::Spawn& spawn, const UniqueFd* record_fd) {
  if (spawn.session() < next_session_ || spawn.session() - next_session_ > kMaxLeftOut) {
    return absl::InvalidArgumentError(
        absl::StrFormat("session number %d is not the next", spawn.session()));
  }
  next_session_ = spawn.session() + 1;
  absl::StatusOr<v1::SpawnRecord> record = spawn.record();
  if (!spawn.has_record()) {
    record = record_fd != nullptr ? ReadRecord(record_fd->get())
                                  : absl::InvalidArgumentError("a spawn without a record");
  }
  absl::Status status = record.status();
  if (status.ok()) status = StartSession(front, spawn.session(), *std::move(record));
  if (status.ok()) return status;
  v1::KeeperEvent event;
  v1::SpawnFailed& failure = *event.mutable_spawn_failed();
  failure.set_session(spawn.session());
  failure.set_step(StepOf(status.code()));
  failure.set_detail(std::string(status.message()));
  if (start_warnings_.Admit()) {
    const uint64_t others = start_warnings_.skipped();
    log::Warning("session %d is not started: %s%s", spawn.session(), failure.detail(),
                 others == 0 ? "" : absl::StrFormat(" (and %d others before)", others));
  }
  front.Tell(std::move(event));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Cgroup>> Keeper::MakeCgroup(uint64_t number,
                                                           const v1::Limits& limits) {
  if (cgroups_ != nullptr) {
    auto cgroup = cgroups_->Create(
        number, {.memory_bytes = limits.memory_bytes(), .processes = limits.processes()});
    if (cgroup.ok() || absl::IsUnimplemented(cgroup.status())) return cgroup;
    return absl::ResourceExhaustedError(absl::StrCat("cgroup: ", cgroup.status().message()));
  }
  const char* limit = limits.memory_bytes() > 0 ? "memory_bytes"
                      : limits.processes() > 0  ? "processes"
                      : limits.cpu_ns() > 0     ? "cpu_time"
                                                : nullptr;
  if (limit == nullptr) return nullptr;
  return absl::UnimplementedError(absl::StrFormat("%s: this node has no cgroups", limit));
}

absl::Status Keeper::StartSession(Front& front, uint64_t number, v1::SpawnRecord record) {
  if (record.ring_bytes() == 0) record.set_ring_bytes(kDefaultRingBytes);
  if (record.ring_bytes() > kMaxRingBytes || record.ring_bytes() % 4096 != 0) {
    return absl::InvalidArgumentError("ring_bytes out of bounds");
  }
  if (record.session_record().size() > kMaxSessionRecord) {
    return absl::InvalidArgumentError("session_record is too big");
  }
  if (draining_) return absl::UnavailableError("the node is shutting down");
  if (draining_asked_)
    return absl::UnavailableError("the node is drained: it takes no new sessions");
  const std::string id = absl::StrFormat("%08x-%d", epoch_, number);
  auto user = users_.Find(record.run_as().user());
  if (!user.ok()) return user.status();
  auto plan = PlanChild(record, *user, id);
  if (!plan.ok()) return plan.status();
  plan->own_memory = record.limits().memory_bytes() > 0;
  plan->credentials = CredentialsOf(*user);
  const size_t descriptors = Session::DescriptorsOf(record);
  if (descriptors_ + descriptors > max_descriptors_) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("open files: %d sessions run, no more fit the limit", running_));
  }
  auto cgroup = MakeCgroup(number, record.limits());
  if (!cgroup.ok()) return cgroup.status();
  const int64_t slot = arena_->Take();
  if (slot < 0) return absl::ResourceExhaustedError("sessions: every slot is taken");
  if (absl::Status status = audit_->Append(record.audit_intent()); !status.ok()) {
    arena_->Return(static_cast<uint32_t>(slot), 0);
    return absl::InternalError(status.message());
  }
  ++running_;
  descriptors_ += descriptors;
  auto session = std::make_unique<Session>(*this, number, id, static_cast<uint32_t>(slot),
                                           *std::move(plan), *std::move(cgroup), record);
  session->front = &front;
  queued_.push_back(session.get());
  sessions_.emplace(number, std::move(session));
  LaunchQueued();
  return absl::OkStatus();
}

// --- sessions -----------------------------------------------------------------------------------

// One user's starts take half of the lanes at most: they can make a start last.
void Keeper::LaunchQueued() {
  std::erase_if(starting_, [](const Session* session) {
    return session->state() != Session::State::kStarting;
  });
  const auto held = [this](uid_t uid) {
    return std::count_if(starting_.begin(), starting_.end(),
                         [uid](const Session* session) { return session->uid() == uid; });
  };
  for (auto it = queued_.begin(); it != queued_.end() && launcher_->HasLane();) {
    Session* session = *it;
    if (session->uid() != users_.own().uid && held(session->uid()) >= max_starts_of_user_) {
      ++it;
      continue;
    }
    it = queued_.erase(it);
    if (session->over()) continue;
    session->Launch();
    if (session->over()) continue;
    leaders_.insert(session->pid());
    starting_.push_back(session);
  }
}

void Keeper::OnNews(Session* session) {
  if (session->front != nullptr) session->front->TellNews(session);
}

void Keeper::OnRunnable(Session* session) {
  if (!std::exchange(session->queued_runnable, true)) runnable_.push_back(session);
}

void Keeper::PumpRunnable() {
  std::vector<Session*> turn;
  turn.swap(runnable_);
  for (Session* session : turn) {
    session->queued_runnable = false;
    if (session->Turn()) OnRunnable(session);
  }
}

void Keeper::OnEnd(Session* session) {
  --running_;
  descriptors_ -= session->descriptors();
  leaders_.erase(session->pid());
  const std::string line = session->state() == Session::State::kEnded
                               ? EndLine(session->id(), session->termination())
                               : FailureLine(session->id(), session->failure());
  if (absl::Status status = audit_->Append(line); !status.ok()) {
    log::Error("%s: %s", session->id(), std::string(status.message()));
  }
  // Nobody asks about a command that never ran.
  const bool failed = session->state() == Session::State::kFailed;
  if (failed && session->front != nullptr) {
    // One to which it was just handed over has to hear of it before it hears that it failed.
    v1::KeeperMessage news;
    session->TakeNews(&news);
    for (v1::KeeperEvent& told : *news.mutable_events()) session->front->Tell(std::move(told));
    v1::KeeperEvent event;
    *event.mutable_spawn_failed() = session->failure();
    session->front->Tell(std::move(event));
  }
  if (failed || (draining_ && front_ == nullptr && session->front == nullptr)) {
    LetGo(session);
  }
}

void Keeper::LetGo(Session* session) {
  session->let_go = true;
  if (session->front != nullptr) session->front->Drop(session);
  forgotten_.push_back(session->number());
}

// Destroys what could not be destroyed while events were dispatched.
void Keeper::EndTurn() {
  for (const uint64_t number : std::exchange(forgotten_, {})) {
    const auto it = sessions_.find(number);
    if (it == sessions_.end()) continue;
    Session* session = it->second.get();
    if (session->front != nullptr) session->front->Drop(session);
    if (session->queued_runnable) std::erase(runnable_, session);
    std::erase(queued_, session);
    std::erase(starting_, session);
    arena_->Return(session->slot(), session->dirty_bytes());
    sessions_.erase(it);
  }
  gone_.clear();
  file_helpers_->EndTurn();
  if (cgroups_ != nullptr && cgroups_->untidy() && tidy_at_ == 0) {
    tidy_at_ = MonotonicNs() + kTidyNs;
    ArmTimer();
  }
}

bool Keeper::IsOwnChild(pid_t pid) const {
  for (const Front* front : Fronts()) {
    if (front->pid() == pid) return true;
  }
  return leaders_.contains(pid) || file_helpers_->Has(pid);
}

// Orphans of the sessions, where they are ours.
void Keeper::Reap() {
  for (const pid_t pid : Children()) {
    if (!IsOwnChild(pid)) waitpid(pid, nullptr, WNOHANG);
  }
}

// --- signals and shutting down ------------------------------------------------------------------

void Keeper::OnEvent(uint32_t /*tag*/, uint32_t /*events*/) {
  signalfd_siginfo info;
  while (read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
    if (info.ssi_signo == SIGHUP) {
      Upgrade();
    } else if (info.ssi_signo != SIGCHLD) {
      BeginDrain();
    } else if (cgroups_ == nullptr && reap_at_ == 0) {
      reap_at_ = MonotonicNs() + kReapNs;
      ArmTimer();
    }
  }
}

void Keeper::BeginDrain() {
  if (draining_) {
    EndSessions();
    return;
  }
  draining_ = true;
  restart_at_ = 0;
  if (successor_ != nullptr && !retiring_) successor_->Kill(SIGKILL);
  v1::KeeperEvent drain;
  drain.mutable_drain();
  for (Front* front : Fronts()) front->Tell(drain);
  drain_deadline_ = MonotonicNs() + options_.drain_timeout_ns;
  log::Info("draining: %d sessions have %d s to end; another signal ends them now", running_,
            options_.drain_timeout_ns / 1'000'000'000);
  if (front_ == nullptr && successor_ == nullptr) EndAlone();
  ArmTimer();
}

// No front comes any more that would ask about sessions.
void Keeper::EndAlone() {
  for (const auto& [number, session] : sessions_) {
    if (session->over() && session->front == nullptr) LetGo(session.get());
  }
  EndSessions();
}

void Keeper::EndSessions() {
  drain_deadline_ = 0;
  for (auto& [number, session] : sessions_) session->EndForGood();
  for (const auto& front : retired_) front->MustGoBy(MonotonicNs() + kFrontLeaveNs);
  if (front_ != nullptr) front_kill_at_ = MonotonicNs() + kFrontLeaveNs;
  ArmTimer();
}

void Keeper::OnTimer() {
  armed_timer_ = 0;
  const int64_t now = MonotonicNs();
  if (restart_at_ != 0 && now >= restart_at_) {
    restart_at_ = 0;
    auto front = StartFront();
    if (front.ok()) {
      front_ = *std::move(front);
    } else {
      log::Error("front: %s", std::string(front.status().message()));
      restart_at_ = now + backoff_.NextDelayNs(0);
    }
  }
  if (drain_deadline_ != 0 && now >= drain_deadline_) EndSessions();
  if (front_kill_at_ != 0 && now >= front_kill_at_) {
    const bool has_work = front_ != nullptr && front_->connected() && running_ > 0;
    front_kill_at_ = has_work ? now + kFrontLeaveNs : 0;
    if (!has_work && front_ != nullptr) front_->Kill(SIGKILL);
  }
  if (reap_at_ != 0 && now >= reap_at_) {
    reap_at_ = 0;
    Reap();
  }
  if (tidy_at_ != 0 && now >= tidy_at_) {
    tidy_at_ = 0;
    cgroups_->Tidy();
  }
  ArmTimer();
}

void Keeper::ArmTimer() {
  int64_t next = 0;
  for (int64_t deadline : {drain_deadline_, restart_at_, front_kill_at_, reap_at_, tidy_at_}) {
    if (deadline != 0 && (next == 0 || deadline < next)) next = deadline;
  }
  loop_.SetTimer(this, &armed_timer_, next);
}

}  // namespace nacre::keeper
