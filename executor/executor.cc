#include "executor/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_format.h"
#include "base/log.h"
#include "executor/audit.h"
#include "executor/errors.h"

namespace nacre {
namespace {

// A record above this travels as a memfd: a datagram holds 64 KiB in all.
constexpr size_t kInlineRecord = 32 * 1024;

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
    default:
      return 0;
  }
}

// Refusals cost a caller nothing, so the audit takes a few of them: ten a second.
constexpr uint64_t kRefusalBurst = 200;
constexpr int64_t kRefusalPeriodNs = 100'000'000;

}  // namespace

Executor::Executor(asio::io_context& loop, KeeperLink& keeper, const Policy& policy)
    : loop_(loop),
      keeper_(keeper),
      policy_(policy),
      refusals_(kRefusalBurst, kRefusalPeriodNs),
      next_number_(keeper.welcome().next_session()) {}

absl::StatusOr<std::shared_ptr<Session>> Executor::Start(const Identity& identity,
                                                         const CommandSpec& spec,
                                                         SessionDriver* driver) {
  if (draining_) {
    return MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                     "the node is shutting down and starts no new commands");
  }
  if (absl::Status denial = policy_.CheckStart(identity, spec); !denial.ok()) {
    SendAudit(audit::DeniedLine(identity, spec, denial));
    return denial;
  }
  const uint64_t number = next_number_++;
  const SessionRecord kept = SessionRecord::Of(identity, spec);
  auto session = std::make_shared<Session>(loop_, keeper_, number, SessionId(number), kept);
  session->SetDriver(driver);
  keeper::v1::SpawnRecord record = spec.ToRecord();
  record.set_session_record(kept.Serialize());
  record.set_audit_intent(audit::StartLine(identity, session->id(), spec));
  sessions_.emplace(number, session);
  SendSpawn(number, std::move(record));
  return session;
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

std::string Executor::SessionId(uint64_t number) const {
  return absl::StrFormat("%08x-%d", keeper_.welcome().epoch(), number);
}

void Executor::Adopt(const keeper::v1::Adopted& adopted) {
  const uint64_t number = adopted.session();
  auto record = SessionRecord::Parse(adopted.session_record());
  if (!record.ok()) {
    log::Error("session %s has no record and is ended", SessionId(number));
    record = SessionRecord{.on_disconnect = {.grace_ns = 0}};
  }
  auto session =
      std::make_shared<Session>(loop_, keeper_, number, SessionId(number), *std::move(record));
  if (!adopted.has_terminated()) sessions_.emplace(number, session);
  session->Adopt(adopted);
}

void Executor::OnEvent(const keeper::v1::KeeperEvent& event) {
  if (event.has_adopted()) {
    Adopt(event.adopted());
    return;
  }
  const auto it = sessions_.find(SessionOf(event));
  if (it == sessions_.end()) return;
  // The event may be the last that holds the session.
  const std::shared_ptr<Session> session = it->second;
  session->OnEvent(event);
  if (event.has_terminated() || event.has_spawn_failed()) {
    sessions_.erase(session->number());
    CheckIdle();
  }
}

void Executor::Drain(std::function<void()> on_idle) {
  draining_ = true;
  on_idle_ = std::move(on_idle);
  CheckIdle();
}

void Executor::CheckIdle() {
  if (sessions_.empty() && on_idle_) std::exchange(on_idle_, nullptr)();
}

}  // namespace nacre
