#include "executor/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <asio/post.hpp>
#include <chrono>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "base/log.h"
#include "executor/audit.h"
#include "executor/errors.h"

namespace nacre {
namespace {

// A record above this travels as a memfd: a datagram holds 64 KiB in all.
constexpr size_t kInlineRecord = 32 * 1024;
// A session's id: the keeper's epoch in so many hexadecimal digits, '-', its number.
constexpr size_t kEpochDigits = 8;

absl::StatusOr<UniqueFd> SealedMemory(const std::string& bytes) {
  UniqueFd fd(memfd_create("nacre-spawn", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid() ||
      write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
      fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
    return absl::ErrnoToStatus(errno, "spawn record");
  }
  return fd;
}

uint64_t SessionOf(const keeper::v1::KeeperEvent& event) {
  switch (event.event_case()) {
    case keeper::v1::KeeperEvent::kSpawned:
      return event.spawned().session();
    case keeper::v1::KeeperEvent::kSpawnFailed:
      return event.spawn_failed().session();
    case keeper::v1::KeeperEvent::kProgress:
      return event.progress().session();
    case keeper::v1::KeeperEvent::kTerminated:
      return event.terminated().session();
    case keeper::v1::KeeperEvent::kLogOpened:
      return event.log_opened().session();
    default:
      return 0;
  }
}

// Refusals cost a caller nothing, so the audit takes a few of them: ten a second.
constexpr uint64_t kRefusalBurst = 200;
constexpr int64_t kRefusalPeriodNs = 100'000'000;
// First version of the keeper's protocol that knows of SetDraining.
constexpr uint32_t kDrainProtocol = 3;
// Expired sessions are looked for so often at most.
constexpr int64_t kExpiryStepNs = 200'000'000;

std::string RequestKey(const std::string& owner, const std::string& request_id) {
  return absl::StrCat(owner, " ", request_id);
}

absl::Status NoSuchSession(const std::string& id) {
  // Text of a caller that goes back to that caller, but perhaps onto a terminal.
  return MakeError(
      absl::StatusCode::kNotFound, "SESSION_NOT_FOUND",
      absl::StrFormat("there is no session \"%s\"", absl::CHexEscape(id.substr(0, 64))));
}

}  // namespace

Executor::Executor(asio::io_context& loop, KeeperLink& keeper, const Policy& policy)
    : loop_(loop),
      keeper_(keeper),
      policy_(policy),
      refusals_(kRefusalBurst, kRefusalPeriodNs),
      next_number_(keeper.welcome().next_session()),
      files_(loop, keeper, policy),
      expiry_(loop),
      draining_(keeper.welcome().draining_asked()) {}

absl::StatusOr<Executor::StartResult> Executor::Start(const Identity& identity,
                                                      const CommandSpec& spec,
                                                      SessionFollower* driver) {
  if (absl::Status status = CheckServing(); !status.ok()) return status;
  auto user = policy_.CheckStart(identity, spec);
  if (!user.ok()) {
    SendAudit(audit::DeniedLine(identity, spec, user.status()));
    return user.status();
  }
  if (auto known = FindRequest(identity, spec.request_id()); known != nullptr) {
    if (known->record().fingerprint == spec.Fingerprint()) {
      return StartResult{.session = std::move(known), .already = true};
    }
    return MakeError(absl::StatusCode::kAlreadyExists, "REQUEST_ID_REUSED",
                     absl::StrFormat("request_id: session %s was started under \"%s\" with another "
                                     "command or policy; choose a new id",
                                     known->id(), spec.request_id()));
  }
  if (draining()) {
    return MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                     stopping_ ? "the node is shutting down and starts no new commands"
                               : "the node is drained: it takes no new sessions");
  }
  const uint64_t number = next_number_++;
  const SessionRecord kept = SessionRecord::Of(identity, spec, *user);
  auto session = std::make_shared<Session>(loop_, keeper_, number, SessionId(number), kept);
  keeper::v1::SpawnRecord record = spec.ToRecord();
  record.set_session_record(kept.Serialize());
  record.set_audit_intent(audit::StartLine(identity, session->id(), spec, *user));
  record.mutable_run_as()->set_user(*std::move(user));
  sessions_.emplace(number, session);
  if (!kept.request_id.empty()) requests_[RequestKey(identity.name, kept.request_id)] = number;
  NoteRunning(*session);
  SendSpawn(number, std::move(record));
  if (driver != nullptr) {
    session->Join(driver);
    session->Drive(driver);
  } else {
    session->StartUndriven();
  }
  return StartResult{.session = std::move(session)};
}

std::shared_ptr<Session> Executor::FindRequest(const Identity& identity,
                                               const std::string& request_id) {
  if (request_id.empty()) return nullptr;
  const auto it = requests_.find(RequestKey(identity.name, request_id));
  if (it == requests_.end()) return nullptr;
  const std::shared_ptr<Session>& session = sessions_.at(it->second);
  return session->forgotten() ? nullptr : session;
}

absl::StatusOr<std::shared_ptr<Session>> Executor::Find(const Identity& identity,
                                                        const std::string& id,
                                                        const std::string& verb,
                                                        const std::string& how) {
  if (absl::Status status = CheckServing(); !status.ok()) return status;
  if (id.empty()) return InvalidField("session_id", "is required");
  const std::vector<std::string> parts = absl::StrSplit(id, '-');
  uint64_t number = 0;
  const bool is_id = parts.size() == 2 && parts[0].size() == kEpochDigits &&
                     std::all_of(parts[0].begin(), parts[0].end(), absl::ascii_isxdigit) &&
                     absl::SimpleAtoi(parts[1], &number);
  if (!is_id) return NoSuchSession(id);
  if (parts[0] != Epoch()) {
    return MakeError(absl::StatusCode::kNotFound, "NODE_RESTARTED",
                     absl::StrFormat("session %s is of before the node was restarted; its command "
                                     "ended with it",
                                     id));
  }
  const auto it = sessions_.find(number);
  if (it == sessions_.end() || it->second->id() != id || it->second->forgotten() ||
      !policy_.MayAccess(identity, it->second->owner())) {
    return NoSuchSession(id);
  }
  if (!verb.empty()) SendAudit(audit::UseLine(identity, id, verb, how));
  return it->second;
}

absl::StatusOr<std::shared_ptr<Session>> Executor::FindForInput(const Identity& identity,
                                                                const std::string& id) {
  auto session = Find(identity, id);
  if (session.ok() && (*session)->NoteWriter(identity.name)) {
    SendAudit(audit::UseLine(identity, id, "input", ""));
  }
  return session;
}

std::vector<std::shared_ptr<Session>> Executor::List(
    const Identity& identity, uint64_t after, size_t limit,
    const std::function<bool(const Session&)>& wanted) const {
  std::vector<std::shared_ptr<Session>> found;
  for (auto it = sessions_.upper_bound(after); it != sessions_.end() && found.size() < limit;
       ++it) {
    const Session& session = *it->second;
    if (!session.forgotten() && policy_.MayAccess(identity, session.owner()) && wanted(session)) {
      found.push_back(it->second);
    }
  }
  return found;
}

void Executor::Delete(const Identity& by, Session& session) {
  session.Cancel(by);
  session.Forget();
  if (session.termination().has_value()) Remove(session.number());
}

void Executor::AuditRefusal(const Identity& identity, const std::string& why) {
  if (!refusals_.Admit()) return;
  const uint64_t others = refusals_.skipped();
  SendAudit(audit::RefusedLine(
      identity, others == 0 ? why : absl::StrFormat("%s (and %d others before)", why, others)));
}

void Executor::SendAudit(std::string line) {
  keeper::v1::FrontRequest record;
  record.mutable_audit()->set_line(std::move(line));
  keeper_.Send(record);
}

void Executor::SendSpawn(uint64_t number, keeper::v1::SpawnRecord record) {
  keeper::v1::FrontRequest request;
  request.mutable_spawn()->set_session(number);
  UniqueFd fd;
  if (record.ByteSizeLong() > kInlineRecord) {
    auto memory = SealedMemory(record.SerializeAsString());
    if (memory.ok()) {
      fd = *std::move(memory);
    } else {
      log::Error("%s", std::string(memory.status().message()));  // the keeper refuses the spawn
    }
  } else {
    *request.mutable_spawn()->mutable_record() = std::move(record);
  }
  keeper_.Send(request, std::move(fd));
}

std::string Executor::Epoch() const {
  return absl::StrFormat("%0*x", kEpochDigits, keeper_.welcome().epoch());
}

std::string Executor::SessionId(uint64_t number) const {
  return absl::StrFormat("%s-%d", Epoch(), number);
}

// --- the keeper's events ------------------------------------------------------------------------

void Executor::Adopt(const keeper::v1::Adopted& adopted) {
  const uint64_t number = adopted.session();
  auto record = SessionRecord::Parse(adopted.session_record());
  if (!record.ok()) {
    log::Error("session %s has no record and is ended", SessionId(number));
    record = SessionRecord{.on_disconnect = {.grace_ns = 0}};
  }
  auto session =
      std::make_shared<Session>(loop_, keeper_, number, SessionId(number), *std::move(record));
  sessions_.emplace(number, session);
  if (const std::string& id = session->record().request_id; !id.empty()) {
    requests_[RequestKey(session->owner().name, id)] = number;
  }
  session->Adopt(adopted);
  if (adopted.has_terminated()) {
    Retain(session);
  } else {
    NoteRunning(*session);
  }
}

void Executor::OnEvent(const keeper::v1::KeeperEvent& event, UniqueFd fd) {
  if (event.has_adopted()) {
    Adopt(event.adopted());
    return;
  }
  if (event.has_adoption_done()) {
    next_number_ = std::max(next_number_, event.adoption_done().next_session());
    return;
  }
  if (event.has_files_opened()) {
    files_.OnOpened(event.files_opened(), std::move(fd));
    return;
  }
  if (event.has_audited()) {
    files_.OnAudited(event.audited());
    return;
  }
  if (event.has_draining_set()) {
    OnDrainingSet(event.draining_set());
    return;
  }
  const auto it = sessions_.find(SessionOf(event));
  if (it == sessions_.end()) return;
  // The event may be the last that holds the session.
  const std::shared_ptr<Session> session = it->second;
  if (event.has_log_opened()) {
    session->OnLogOpened(event.log_opened(), std::move(fd));
    if (session->forgotten()) Remove(session->number());
    return;
  }
  session->OnEvent(event);
  if (event.has_terminated()) {
    Retain(session);
  } else if (event.has_spawn_failed()) {
    Remove(session->number());
  } else {
    return;
  }
  NoteEnded(*session);
  CheckIdle();
}

void Executor::NoteRunning(const Session& session) {
  ++running_;
  ++running_of_[session.owner().name];
}

void Executor::NoteEnded(const Session& session) {
  --running_;
  const auto it = running_of_.find(session.owner().name);
  if (it != running_of_.end() && --it->second == 0) running_of_.erase(it);
}

size_t Executor::RunningOf(const Identity& identity) const {
  const auto it = running_of_.find(identity.name);
  return it != running_of_.end() ? it->second : 0;
}

// --- retention ----------------------------------------------------------------------------------

void Executor::Retain(const std::shared_ptr<Session>& session) {
  if (session->forgotten()) {
    Remove(session->number());
    return;
  }
  const auto other = retention_.Add(session->number(), session->owner().name,
                                    session->end_ns() + session->retention_ns());
  if (other.has_value()) {
    sessions_.at(*other)->Forget();
    Remove(*other);
  }
  ArmExpiry();
}

// Lets go of a session that is forgotten. Whoever follows it still may do so to the end: one whose
// log is on its way stays until that has come.
void Executor::Remove(uint64_t number) {
  retention_.Remove(number);
  const auto it = sessions_.find(number);
  if (it == sessions_.end() || it->second->awaits_log()) return;
  const SessionRecord& record = it->second->record();
  if (!record.request_id.empty()) {
    const auto request = requests_.find(RequestKey(record.owner.name, record.request_id));
    if (request != requests_.end() && request->second == number) requests_.erase(request);
  }
  sessions_.erase(it);
}

void Executor::ArmExpiry() {
  const auto next = retention_.next_expiry();
  if (!next.has_value() || (expiry_at_ != 0 && expiry_at_ <= *next)) return;
  // Not sooner than that: many that expire one by one are taken together.
  const int64_t delay = std::max(*next - MonotonicNs(), kExpiryStepNs);
  expiry_at_ = MonotonicNs() + delay;
  expiry_.expires_after(std::chrono::nanoseconds(delay));
  expiry_.async_wait([this](std::error_code error) {
    if (error) return;
    expiry_at_ = 0;
    for (const uint64_t number : retention_.TakeExpired(MonotonicNs())) {
      sessions_.at(number)->Forget();
      Remove(number);
    }
    ArmExpiry();
  });
}

absl::Status Executor::CheckServing() const {
  if (!retired_) return absl::OkStatus();
  return MakeError(absl::StatusCode::kUnavailable, "FRONT_RESTARTING",
                   "the node's network process makes way for a new one; call again");
}

void Executor::Retire() {
  retired_ = true;
  expiry_.cancel();
  requests_.clear();
  running_ = 0;
  running_of_.clear();
  const absl::Status why = CheckServing();
  files_.Retire(why);
  for (const auto& [id, done] : std::exchange(asked_to_drain_, {})) done(why);
  for (const auto& [number, session] : std::exchange(sessions_, {})) {
    if (!session->only_here()) {
      retention_.Remove(number);
      session->Yield(why);
      continue;
    }
    keeper::v1::FrontRequest keep;
    keep.mutable_keep()->set_session(number);
    keeper_.Send(keep);
    sessions_.emplace(number, session);
    if (!session->termination().has_value()) NoteRunning(*session);
  }
  keeper::v1::FrontRequest retired;
  retired.mutable_retired();
  keeper_.Send(retired);
}

// --- draining -----------------------------------------------------------------------------------

void Executor::SetDraining(const Identity& identity, bool draining,
                           std::function<void(absl::Status)> done) {
  const std::string verb = draining ? "drain" : "undrain";
  absl::Status refused = CheckServing();
  if (refused.ok() && keeper_.welcome().protocol_version() < kDrainProtocol) {
    refused = MakeError(absl::StatusCode::kUnavailable, "DRAIN_UNAVAILABLE",
                        "nacred is of an older release than nacre-front; restart it");
  }
  if (refused.ok()) {
    refused = policy_.CheckAdmin(identity, verb);
    if (!refused.ok()) SendAudit(audit::AdminDeniedLine(identity, verb, refused));
  }
  if (!refused.ok()) {
    asio::post(loop_, [done = std::move(done), refused] { done(refused); });
    return;
  }
  const uint64_t id = next_drain_++;
  asked_to_drain_.emplace(id, std::move(done));
  keeper::v1::FrontRequest request;
  request.mutable_set_draining()->set_draining(draining);
  request.mutable_set_draining()->set_line(audit::AdminLine(identity, verb));
  request.mutable_set_draining()->set_id(id);
  keeper_.Send(request);
}

void Executor::OnDrainingSet(const keeper::v1::DrainingSet& set) {
  draining_ = set.draining();
  auto asked = asked_to_drain_.extract(set.id());
  if (asked.empty()) return;
  asked.mapped()(
      set.failed().empty()
          ? absl::OkStatus()
          : MakeError(absl::StatusCode::kUnavailable, "AUDIT_UNAVAILABLE",
                      absl::StrFormat("the node's audit can't be written (%s), so nothing is "
                                      "changed; free space or mend its state directory",
                                      set.failed())));
}

void Executor::Stop(std::function<void()> on_idle) {
  stopping_ = true;
  on_idle_ = std::move(on_idle);
  files_.Drain();
  CheckIdle();
}

void Executor::CheckIdle() {
  if (running_ == 0 && on_idle_) std::exchange(on_idle_, nullptr)();
}

}  // namespace nacre
