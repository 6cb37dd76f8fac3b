#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "base/log.h"

namespace nacre::keeper {
namespace {

constexpr uint32_t kProtocolVersion = 1;
constexpr uint32_t kMaxSessions = 16384;
// Bytes of news in one datagram; one session's news is a few hundred bytes.
constexpr size_t kNewsBytes = seqpacket::kMaxDatagram / 2;
// What a front is told in one turn at most, so that one that has much to hear does not stop the
// pump.
constexpr int kDatagramsPerTurn = 16;
constexpr size_t kMaxRecordBytes = 2 * 1024 * 1024;
constexpr size_t kMaxSessionRecord = 16 * 1024;
constexpr size_t kMaxBy = 256;
constexpr uint64_t kMaxSessionNumber = uint64_t{1} << 62;
// Descriptors of a running session: three pipes and its pidfd; of the keeper itself: a few.
constexpr size_t kFdsPerSession = 4;
constexpr size_t kOwnFds = 32;
// How long a front may take to leave once it has nothing left to do.
constexpr int64_t kFrontLeaveNs = 10'000'000'000;
// Turns that take more than the channel can hold.
constexpr int kLastTurns = 1000;
constexpr uint64_t kLoggedRefusals = 20;
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

}  // namespace

absl::StatusOr<std::unique_ptr<Keeper>> Keeper::Create(KeeperOptions options) {
  std::unique_ptr<Keeper> keeper(new Keeper(std::move(options)));
  if (absl::Status status = keeper->Open(); !status.ok()) return status;
  return keeper;
}

absl::Status Keeper::Open() {
  mallopt(M_MMAP_THRESHOLD, kMmapThreshold);
  rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  const rlimit raised{files.rlim_max, files.rlim_max};
  setrlimit(RLIMIT_NOFILE, &raised);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a full audit is an error, not an end
  // Early, so that its descriptors are low ones.
  const int lanes = LaneCount();
  auto spawner = Spawner::Create(lanes, files.rlim_cur, files.rlim_max);
  if (!spawner.ok()) return spawner.status();
  spawner_ = *std::move(spawner);
  const size_t reserved = kOwnFds + 4 * static_cast<size_t>(lanes);
  max_running_ = files.rlim_max > reserved ? (files.rlim_max - reserved) / kFdsPerSession : 0;

  auto lock = OnceFree([this] { return LockDirectory(options_.state_dir); });
  if (!lock.ok()) return lock.status();
  lock_ = *std::move(lock);
  if (!options_.spool_dir.empty()) {
    if (absl::Status status = MakeDirectory(options_.spool_dir); !status.ok()) return status;
  }
  auto archive = Archive::Open(options_.state_dir + "/ended");
  if (!archive.ok()) return archive.status();
  archive_ = *std::move(archive);
  auto audit = AuditLog::Open(options_.state_dir + "/audit.jsonl");
  if (!audit.ok()) return audit.status();
  audit_ = *std::move(audit);
  auto user = User::Current();
  if (!user.ok()) return user.status();
  user_ = *std::move(user);
  auto arena = Arena::Create(kMaxSessions);
  if (!arena.ok()) return arena.status();
  arena_ = *std::move(arena);
  for (const ListenOption& option : options_.listen) {
    auto listener = OnceFree([&option] { return Listener::Open(option.name, option.address); });
    if (!listener.ok()) return listener.status();
    listeners_.push_back(*std::move(listener));
  }
  while (epoch_ == 0) {
    if (getrandom(&epoch_, sizeof(epoch_), 0) != sizeof(epoch_)) epoch_ = 0;
  }
  sigset_t handled;
  sigemptyset(&handled);
  for (int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&handled, number);
  sigprocmask(SIG_BLOCK, &handled, nullptr);
  signals_.reset(signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK));
  return loop_.Add(signals_.get(), EPOLLIN, this, kSignals);
}

absl::Status Keeper::Run() {
  for (size_t i = 0; i < listeners_.size(); ++i) {
    const std::string address = listeners_[i].address().ToString();
    log::Info("listening on %s (%s)", address, listeners_[i].name());
    if (!options_.listen[i].warning.empty()) {
      log::Warning("%s: %s", address, options_.listen[i].warning);
    }
  }
  if (absl::Status status = StartFront(); !status.ok()) return status;
  while (!Done()) {
    loop_.RunOnce(!runnable_.empty());
    PumpRunnable();
    LaunchQueued();
    FlushNews();
    DeleteForgotten();
  }
  log::Info("stopped");
  return absl::OkStatus();
}

// --- the front's life ---------------------------------------------------------------------------

absl::Status Keeper::StartFront() {
  auto front = FrontProcess::Start(options_.front, options_.front_arguments);
  if (!front.ok()) return front.status();
  front_ = *std::move(front);
  front_greeted_ = front_deaf_ = false;
  refusals_ = 0;
  absl::Status status = loop_.Add(front_->channel().get(), EPOLLIN, this, kChannel);
  status.Update(loop_.Add(front_->pidfd().get(), EPOLLIN, this, kFrontExit));
  log::Info("front started, pid %d", front_->pid());
  return status;
}

void Keeper::DropChannel() {
  if (!front_->channel().valid()) return;
  loop_.Close(&front_->channel());
  handing_over_ = false;
  failed_spawns_.clear();
  outgoing_ = {};
  wanted_logs_.clear();
}

void Keeper::OnFrontExit() {
  // What it said before it died still counts, to its last word.
  for (int i = 0; i < kLastTurns && front_->channel().valid(); ++i) ReceiveRequests();
  if (front_->channel().valid()) DropChannel();
  const int64_t served = front_ready_at_ != 0 ? MonotonicNs() - front_ready_at_ : 0;
  front_ready_at_ = 0;
  loop_.Close(&front_->pidfd());
  const std::string how = front_->Reap();
  const int pid = front_->pid();
  front_.reset();
  front_kill_at_ = 0;
  if (draining_) {
    log::Info("front (pid %d) %s", pid, how);
    // No front comes any more that would ask about them.
    for (const auto& [number, session] : sessions_) {
      if (session->over()) forgotten_.push_back(number);
    }
    EndSessions();
    return;
  }
  const int64_t delay = backoff_.NextDelayNs(served);
  log::Error("front (pid %d) %s; %d sessions go on; the next one starts in %d ms", pid, how,
             running_, delay / 1'000'000);
  restart_at_ = MonotonicNs() + delay;
  ArmTimer();
}

void Keeper::ReceiveRequests() {
  // A bounded turn, so that a busy front does not stop the pump.
  for (int i = 0; i < 16 && front_->channel().valid(); ++i) {
    auto received = seqpacket::Receive(front_->channel().get());
    if (!received.ok()) {
      // One that closed its channel is on its way out; one that broke it has no way.
      if (absl::IsOutOfRange(received.status())) {
        front_kill_at_ = MonotonicNs() + kFrontLeaveNs;
        ArmTimer();
      } else {
        Refuse(received.status());
        front_->Kill(SIGKILL);
      }
      DropChannel();
      return;
    }
    if (!received->has_value()) return;
    Handle(**std::move(received));
  }
}

void Keeper::Welcome(const v1::Hello& hello) {
  log::Info("front speaks protocol %d, version %s", hello.protocol_version(), hello.version());
  v1::KeeperMessage message;
  v1::Welcome* welcome = message.add_events()->mutable_welcome();
  welcome->set_protocol_version(kProtocolVersion);
  welcome->set_epoch(epoch_);
  welcome->set_next_session(next_session_);
  welcome->set_uid(user_.uid);
  welcome->set_user(user_.name);
  welcome->set_max_sessions(kMaxSessions);
  welcome->set_insecure_loopback(options_.insecure_loopback);
  std::vector<int> fds = {arena_->front_output_fd(), arena_->front_input_fd()};
  for (const Listener& listener : listeners_) {
    v1::Listener* entry = welcome->add_listeners();
    entry->set_name(listener.name());
    entry->set_address(listener.address().ToString());
    fds.push_back(listener.fd());
  }
  if (draining_) message.add_events()->mutable_drain();
  if (absl::Status status =
          seqpacket::Send(front_->channel().get(), message.SerializeAsString(), fds);
      !status.ok()) {
    log::Error("welcome: %s", std::string(status.message()));
    front_->Kill(SIGKILL);
    return;
  }
  front_greeted_ = true;
  failed_spawns_.clear();
  handing_over_ = true;
  archived_over_ = false;
  archived_told_ = 0;
  for (auto& [number, session] : sessions_) {
    if (session->state() != Session::State::kFailed) session->Offer();
  }
}

bool Keeper::HandedOver() const {
  return std::none_of(sessions_.begin(), sessions_.end(),
                      [](const auto& entry) { return entry.second->offered(); });
}

// One datagram at a time: what the channel had no room for is kept and goes first.
void Keeper::FlushNews() {
  if (!front_.has_value() || !front_->channel().valid() || !front_greeted_ || front_deaf_) return;
  for (int i = 0; i < kDatagramsPerTurn; ++i) {
    if (outgoing_.bytes.empty()) outgoing_ = TakeOutgoing();
    if (outgoing_.bytes.empty()) return;
    std::vector<int> fds;
    if (outgoing_.fd.valid()) fds.push_back(outgoing_.fd.get());
    const absl::Status status = seqpacket::Send(front_->channel().get(), outgoing_.bytes, fds);
    if (absl::IsUnavailable(status)) break;
    outgoing_ = {};
    if (status.ok()) continue;
    // It is gone, or as good as that. What it said before is still to be heard.
    front_deaf_ = true;
    front_->Kill(SIGKILL);
    return;
  }
  // There may be more once it has room. A front that does not listen is not listened to either, so
  // that nothing piles up.
  loop_.Modify(front_->channel().get(), EPOLLOUT, this, kChannel);
}

Keeper::Outgoing Keeper::TakeOutgoing() {
  Outgoing outgoing{.bytes = TakeNews(), .fd = UniqueFd()};
  if (!outgoing.bytes.empty() || wanted_logs_.empty()) return outgoing;
  v1::KeeperMessage message;
  outgoing.fd = archive_->OpenLog(wanted_logs_.front(), message.add_events()->mutable_log_opened());
  wanted_logs_.pop_front();
  outgoing.bytes = message.SerializeAsString();
  return outgoing;
}

// Adds as many archived sessions as there is room for; whether that was the last.
bool Keeper::OfferArchived(v1::KeeperMessage* message, size_t* bytes) {
  while (*bytes < kNewsBytes) {
    v1::KeeperEvent event;
    if (!archive_->DescribeNext(&archived_told_, event.mutable_adopted())) return true;
    *bytes += event.ByteSizeLong() + 8;
    *message->add_events() = std::move(event);
  }
  return false;
}

std::string Keeper::TakeNews() {
  v1::KeeperMessage message;
  if (std::exchange(news_drain_, false)) message.add_events()->mutable_drain();
  size_t bytes = 0;
  while (!failed_spawns_.empty() && bytes < kNewsBytes) {
    bytes += failed_spawns_.back().ByteSizeLong() + 8;
    *message.add_events()->mutable_spawn_failed() = std::move(failed_spawns_.back());
    failed_spawns_.pop_back();
  }
  if (handing_over_ && !archived_over_) archived_over_ = OfferArchived(&message, &bytes);
  size_t taken = 0;
  for (; taken < news_.size() && bytes < kNewsBytes; ++taken) {
    Session* session = news_[taken];
    session->queued_news = false;
    const int before = message.events_size();
    session->TakeNews(&message);
    for (int i = before; i < message.events_size(); ++i) {
      bytes += message.events(i).ByteSizeLong() + 8;
    }
  }
  news_.erase(news_.begin(), news_.begin() + static_cast<ptrdiff_t>(taken));
  if (handing_over_ && archived_over_ && HandedOver()) {
    handing_over_ = false;
    message.add_events()->mutable_adoption_done();
  }
  return message.SerializeAsString();
}

// --- the front's requests -----------------------------------------------------------------------

void Keeper::Refuse(const absl::Status& status) {
  if (++refusals_ <= kLoggedRefusals) {
    log::Error("refused a front's message: %s", std::string(status.message()));
  } else if (refusals_ % 1000 == 0) {
    log::Error("refused %d messages of this front", refusals_);
  }
}

void Keeper::Handle(seqpacket::Datagram datagram) {
  v1::FrontMessage message;
  const UniqueFd* record_fd = nullptr;
  absl::Status status;
  if (!message.ParseFromString(datagram.bytes)) {
    status = absl::InvalidArgumentError("bytes that are no FrontMessage");
  } else if (!front_greeted_ &&
             (message.requests_size() == 0 || !message.requests(0).has_hello())) {
    status = absl::InvalidArgumentError("the first request is not hello");
  }
  if (!status.ok()) {
    Refuse(status);
    front_->Kill(SIGKILL);  // no front of ours says such things
    DropChannel();
    return;
  }
  if (datagram.fds.size() == 1 && message.requests_size() == 1) record_fd = &datagram.fds[0];
  if (!datagram.fds.empty() && record_fd == nullptr) {
    Refuse(absl::InvalidArgumentError("descriptors that nothing asked for"));
  }
  for (const v1::FrontRequest& request : message.requests()) {
    if (absl::Status result = HandleRequest(request, record_fd); !result.ok()) Refuse(result);
    if (!front_.has_value() || !front_->channel().valid()) return;
  }
}

absl::StatusOr<Session*> Keeper::Find(uint64_t number) {
  const auto it = sessions_.find(number);
  if (it != sessions_.end()) return it->second.get();
  return absl::NotFoundError(absl::StrFormat("there is no session %d", number));
}

absl::Status Keeper::HandleRequest(const v1::FrontRequest& request, const UniqueFd* record_fd) {
  switch (request.request_case()) {
    case v1::FrontRequest::kHello:
      if (front_greeted_) return absl::InvalidArgumentError("a second hello");
      if (request.hello().protocol_version() != kProtocolVersion) {
        front_->Kill(SIGKILL);
        return absl::InvalidArgumentError(absl::StrFormat("the front speaks protocol %d, not %d",
                                                          request.hello().protocol_version(),
                                                          kProtocolVersion));
      }
      Welcome(request.hello());
      return absl::OkStatus();
    case v1::FrontRequest::kReady:
      log::Info("front serves");
      front_ready_at_ = MonotonicNs();
      return absl::OkStatus();
    case v1::FrontRequest::kSpawn:
      return HandleSpawn(request.spawn(), record_fd);
    case v1::FrontRequest::kRelease: {
      auto session = Find(request.release().session());
      if (!session.ok()) return session.status();
      (*session)->Release(request.release());
      return absl::OkStatus();
    }
    case v1::FrontRequest::kInput: {
      auto session = Find(request.input().session());
      if (!session.ok()) return session.status();
      return (*session)->ProduceInput(request.input().produced(), request.input().eof());
    }
    case v1::FrontRequest::kSignal: {
      auto session = Find(request.signal().session());
      if (!session.ok()) return session.status();
      return (*session)->SendSignal(static_cast<int>(request.signal().number()));
    }
    case v1::FrontRequest::kEnd: {
      auto session = Find(request.end().session());
      if (!session.ok()) return session.status();
      if (request.end().by().size() > kMaxBy ||
          (request.end().cause() != v1::END_CAUSE_CANCELLED &&
           request.end().cause() != v1::END_CAUSE_DISCONNECTED)) {
        return absl::InvalidArgumentError("end: cause or name out of bounds");
      }
      (*session)->End(request.end().cause(), request.end().by());
      return absl::OkStatus();
    }
    case v1::FrontRequest::kForget:
      return HandleForget(request.forget().session());
    case v1::FrontRequest::kAudit:
      return audit_->Append(request.audit().line());
    case v1::FrontRequest::kUpdate: {
      auto session = Find(request.update().session());
      if (!session.ok()) return session.status();
      return (*session)->Update(request.update().state());
    }
    case v1::FrontRequest::kSetOverflow: {
      auto session = Find(request.set_overflow().session());
      if (!session.ok()) return session.status();
      (*session)->SetOverflow(request.set_overflow().keep_newest());
      return absl::OkStatus();
    }
    case v1::FrontRequest::kArchive:
      return HandleArchive(request.archive().session());
    case v1::FrontRequest::kOpenLog:
      // Answered in any case, so that the front never waits in vain.
      wanted_logs_.push_back(request.open_log().session());
      if (archive_->Has(request.open_log().session())) return absl::OkStatus();
      return absl::NotFoundError("open log: no such session is archived");
    case v1::FrontRequest::REQUEST_NOT_SET:
      break;
  }
  return absl::UnimplementedError("a request that this keeper does not serve");
}

absl::Status Keeper::HandleForget(uint64_t number) {
  if (archive_->Forget(number)) return absl::OkStatus();
  auto session = Find(number);
  if (!session.ok()) return session.status();
  if (!(*session)->over()) return absl::FailedPreconditionError("forget: it still runs");
  forgotten_.push_back(number);
  return absl::OkStatus();
}

absl::Status Keeper::HandleArchive(uint64_t number) {
  if (archive_->Has(number)) return absl::FailedPreconditionError("archive: it was already");
  auto session = Find(number);
  if (!session.ok()) return session.status();
  if ((*session)->state() != Session::State::kEnded) {
    return absl::FailedPreconditionError("archive: it still runs");
  }
  archive_->Put((*session)->Describe(), (*session)->ended_ns(), (*session)->log().Pieces());
  forgotten_.push_back(number);  // what is left of it
  return absl::OkStatus();
}

absl::Status Keeper::HandleSpawn(const v1::Spawn& spawn, const UniqueFd* record_fd) {
  if (spawn.session() < next_session_ || spawn.session() > kMaxSessionNumber) {
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
  if (status.ok()) status = StartSession(spawn.session(), *std::move(record));
  if (status.ok()) return status;
  v1::SpawnFailed& failure = failed_spawns_.emplace_back();
  failure.set_session(spawn.session());
  failure.set_step(absl::IsInvalidArgument(status)     ? v1::SPAWN_STEP_REQUEST
                   : absl::IsResourceExhausted(status) ? v1::SPAWN_STEP_RESOURCES
                   : absl::IsUnavailable(status)       ? v1::SPAWN_STEP_SHUTDOWN
                                                       : v1::SPAWN_STEP_AUDIT);
  failure.set_detail(std::string(status.message()));
  log::Warning("session %d is not started: %s", spawn.session(), failure.detail());
  return absl::OkStatus();
}

absl::Status Keeper::StartSession(uint64_t number, v1::SpawnRecord record) {
  if (record.ring_bytes() == 0) record.set_ring_bytes(kDefaultRingBytes);
  if (record.ring_bytes() > kMaxRingBytes || record.ring_bytes() % 4096 != 0) {
    return absl::InvalidArgumentError("ring_bytes out of bounds");
  }
  if (record.session_record().size() > kMaxSessionRecord) {
    return absl::InvalidArgumentError("session_record is too big");
  }
  if (draining_) return absl::UnavailableError("the node is shutting down");
  const std::string id = absl::StrFormat("%08x-%d", epoch_, number);
  auto plan = PlanChild(record, user_, id);
  if (!plan.ok()) return plan.status();
  if (running_ >= max_running_) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("open files: %d sessions run, no more fit the limit", running_));
  }
  const int64_t slot = arena_->Take();
  if (slot < 0) return absl::ResourceExhaustedError("sessions: every slot is taken");
  if (absl::Status status = audit_->Append(record.audit_intent()); !status.ok()) {
    arena_->Return(static_cast<uint32_t>(slot), 0);
    return absl::InternalError(status.message());
  }
  ++running_;
  auto session = std::make_unique<Session>(*this, number, id, static_cast<uint32_t>(slot),
                                           *std::move(plan), record);
  queued_.push_back(session.get());
  sessions_.emplace(number, std::move(session));
  LaunchQueued();
  return absl::OkStatus();
}

// --- sessions -----------------------------------------------------------------------------------

void Keeper::LaunchQueued() {
  while (!queued_.empty() && spawner_->HasLane()) {
    Session* session = queued_.front();
    queued_.pop_front();
    if (!session->over()) session->Launch();
  }
}

void Keeper::OnNews(Session* session) {
  if (!std::exchange(session->queued_news, true)) news_.push_back(session);
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
  const std::string line = session->state() == Session::State::kEnded
                               ? EndLine(session->id(), session->termination())
                               : FailureLine(session->id(), session->failure());
  if (absl::Status status = audit_->Append(line); !status.ok()) {
    log::Error("%s: %s", session->id(), std::string(status.message()));
  }
  // Nobody asks about a command that never ran.
  const bool failed = session->state() == Session::State::kFailed;
  if (failed) failed_spawns_.push_back(session->failure());
  if (failed || (draining_ && !front_.has_value())) forgotten_.push_back(session->number());
}

void Keeper::DeleteForgotten() {
  for (const uint64_t number : std::exchange(forgotten_, {})) {
    const auto it = sessions_.find(number);
    if (it == sessions_.end()) continue;
    Session* session = it->second.get();
    if (session->queued_news) std::erase(news_, session);
    if (session->queued_runnable) std::erase(runnable_, session);
    std::erase(queued_, session);
    arena_->Return(session->slot(), session->dirty_bytes());
    sessions_.erase(it);
  }
}

// --- signals and shutting down ------------------------------------------------------------------

void Keeper::OnEvent(uint32_t tag, uint32_t events) {
  switch (tag) {
    case kSignals:
      OnSignal();
      break;
    case kChannel:
      if (!front_.has_value() || !front_->channel().valid()) break;
      if ((events & EPOLLOUT) != 0) loop_.Modify(front_->channel().get(), EPOLLIN, this, kChannel);
      ReceiveRequests();
      break;
    case kFrontExit:
      if (front_.has_value()) OnFrontExit();
      break;
  }
}

void Keeper::OnSignal() {
  signalfd_siginfo info;
  while (read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
    if (info.ssi_signo == SIGHUP) {
      auto user = User::Current();
      if (user.ok()) user_ = *std::move(user);
      log::Info("SIGHUP: user names looked up again");
    } else {
      BeginDrain();
    }
  }
}

void Keeper::BeginDrain() {
  if (draining_) {
    EndSessions();
    return;
  }
  draining_ = true;
  news_drain_ = true;
  restart_at_ = 0;
  drain_deadline_ = MonotonicNs() + options_.drain_timeout_ns;
  log::Info("draining: %d sessions have %d s to end; another signal ends them now", running_,
            options_.drain_timeout_ns / 1'000'000'000);
  ArmTimer();
}

void Keeper::EndSessions() {
  drain_deadline_ = 0;
  for (auto& [number, session] : sessions_) session->EndForGood();
  if (front_.has_value()) front_kill_at_ = MonotonicNs() + kFrontLeaveNs;
  ArmTimer();
}

void Keeper::OnTimer() {
  armed_timer_ = 0;
  const int64_t now = MonotonicNs();
  if (restart_at_ != 0 && now >= restart_at_) {
    restart_at_ = 0;
    if (absl::Status status = StartFront(); !status.ok()) {
      log::Error("front: %s", std::string(status.message()));
      restart_at_ = now + backoff_.NextDelayNs(0);
    }
  }
  if (drain_deadline_ != 0 && now >= drain_deadline_) EndSessions();
  if (front_kill_at_ != 0 && now >= front_kill_at_) {
    const bool has_work = front_.has_value() && front_->channel().valid() && running_ > 0;
    front_kill_at_ = has_work ? now + kFrontLeaveNs : 0;
    if (!has_work && front_.has_value()) front_->Kill(SIGKILL);
  }
  ArmTimer();
}

void Keeper::ArmTimer() {
  int64_t next = 0;
  for (int64_t deadline : {drain_deadline_, restart_at_, front_kill_at_}) {
    if (deadline != 0 && (next == 0 || deadline < next)) next = deadline;
  }
  loop_.SetTimer(this, &armed_timer_, next);
}

}  // namespace nacre::keeper
