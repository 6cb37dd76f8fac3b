#include "server/session_calls.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "executor/errors.h"
#include "server/translate.h"

namespace nacre {
namespace {

constexpr size_t kDefaultPage = 100;
constexpr size_t kMaxPage = 1000;
// With the last session it stays under the 4 MiB that gRPC clients take by default.
constexpr size_t kMaxPageBytes = 3 * 1024 * 1024;
constexpr size_t kMaxInput = 1024 * 1024;

v1::Session Describe(const Executor& executor, const Session& session) {
  return ToFullSession(session, std::max<int64_t>(0, executor.expiry_ns(session) - MonotonicNs()));
}

absl::Status SessionEnded(const Session& session) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "SESSION_ENDED",
                   absl::StrCat("session ", session.id(), " has ended"));
}

bool HasTags(const Session& session, const google::protobuf::Map<std::string, std::string>& tags) {
  return std::all_of(tags.begin(), tags.end(), [&session](const auto& wanted) {
    const auto it = session.record().tags.find(wanted.first);
    return it != session.record().tags.end() && it->second == wanted.second;
  });
}

}  // namespace

absl::Status GetSession(Executor& executor, const Identity& identity,
                        const v1::GetSessionRequest& request, v1::GetSessionResponse* response) {
  auto session = executor.Find(identity, request.session_id());
  if (!session.ok()) return session.status();
  *response->mutable_session() = Describe(executor, **session);
  return absl::OkStatus();
}

// A page token is the number of the last session on the page.
absl::Status ListSessions(Executor& executor, const Identity& identity,
                          const v1::ListSessionsRequest& request,
                          v1::ListSessionsResponse* response) {
  if (absl::Status status = executor.CheckServing(); !status.ok()) return status;
  uint64_t after = 0;
  if (!request.page_token().empty() && !absl::SimpleAtoi(request.page_token(), &after)) {
    return InvalidField("page_token", "is none that a list has returned");
  }
  if (!v1::SessionState_IsValid(request.state())) {
    return InvalidField("state", "is no value of this enum");
  }
  const size_t page =
      request.page_size() == 0 ? kDefaultPage : std::min<size_t>(request.page_size(), kMaxPage);
  const auto wanted = [&request](const Session& session) {
    return (request.state() == v1::SESSION_STATE_UNSPECIFIED ||
            request.state() == ToState(session)) &&
           HasTags(session, request.tags());
  };
  // One more tells whether there is another page.
  const auto found = executor.List(identity, after, page + 1, wanted);
  size_t bytes = 0;
  size_t taken = 0;
  for (; taken < std::min(found.size(), page) && bytes < kMaxPageBytes; ++taken) {
    v1::Session* session = response->add_sessions();
    *session = Describe(executor, *found[taken]);
    bytes += session->ByteSizeLong();
  }
  if (taken < found.size()) response->set_next_page_token(absl::StrCat(found[taken - 1]->number()));
  return absl::OkStatus();
}

absl::Status SignalSession(Executor& executor, const Identity& identity,
                           const v1::SignalSessionRequest& request) {
  if (!request.has_signal()) return InvalidField("signal", "is required");
  if (absl::Status status = CheckSignal(request.signal()); !status.ok()) return status;
  auto session = executor.Find(identity, request.session_id(), "signal",
                               absl::StrCat(request.signal().number()));
  if (!session.ok()) return session.status();
  if ((*session)->termination().has_value()) return SessionEnded(**session);
  (*session)->Signal(request.signal().number(), ToKillScope(request.signal().scope()));
  return absl::OkStatus();
}

absl::Status ResizeTerminal(Executor& executor, const Identity& identity,
                            const v1::ResizeTerminalRequest& request) {
  if (!request.has_size()) return InvalidField("size", "is required");
  auto session = executor.Find(identity, request.session_id());
  if (!session.ok()) return session.status();
  if (absl::Status status = CheckResize(**session, request.size()); !status.ok()) return status;
  if ((*session)->termination().has_value()) return SessionEnded(**session);
  (*session)->Resize(request.size().rows(), request.size().columns());
  return absl::OkStatus();
}

absl::Status EndSession(Executor& executor, const Identity& identity,
                        const v1::EndSessionRequest& request, v1::EndSessionResponse* response) {
  auto session = executor.Find(identity, request.session_id(), "cancel");
  if (!session.ok()) return session.status();
  (*session)->Cancel(identity);
  *response->mutable_session() = Describe(executor, **session);
  return absl::OkStatus();
}

absl::Status DeleteSession(Executor& executor, const Identity& identity,
                           const v1::DeleteSessionRequest& request) {
  auto session =
      executor.Find(identity, request.session_id(), "delete", request.force() ? "force" : "");
  if (!session.ok()) return session.status();
  if (!(*session)->termination().has_value() && !request.force()) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, "SESSION_RUNNING",
        absl::StrCat("session ", (*session)->id(), " runs; end it first, or delete it with force"));
  }
  executor.Delete(identity, **session);
  return absl::OkStatus();
}

// --- StartSession -------------------------------------------------------------------------------

StartSessionCall::StartSessionCall(asio::io_context& loop, Executor& executor, Identity identity,
                                   const v1::StartSessionRequest& request,
                                   v1::StartSessionResponse* response)
    : FollowerCall(loop, executor, std::move(identity)), request_(request), response_(response) {
  BeginSoon();
}

absl::Status StartSessionCall::Begin() {
  auto spec = ToCommandSpec(request_.start(), v1::ON_DISCONNECT_KEEP);
  if (!spec.ok()) return spec.status();
  auto start = executor().Start(identity(), *spec, nullptr);
  if (!start.ok()) return start.status();
  response_->set_already_started(start->already);
  Follow(std::move(start->session));
  if (session().running() || session().termination().has_value()) OnStarted();
  return absl::OkStatus();
}

void StartSessionCall::OnStarted() {
  *response_->mutable_session() = Describe(executor(), session());
  Complete(absl::OkStatus());
}

// --- WaitSession --------------------------------------------------------------------------------

WaitSessionCall::WaitSessionCall(asio::io_context& loop, Executor& executor, Identity identity,
                                 const v1::WaitSessionRequest& request,
                                 v1::WaitSessionResponse* response)
    : FollowerCall(loop, executor, std::move(identity)),
      request_(request),
      response_(response),
      timer_(loop) {
  BeginSoon();
}

absl::Status WaitSessionCall::Begin() {
  int64_t timeout_ns = 0;
  if (request_.has_timeout()) {
    auto timeout = ToNs(request_.timeout(), "timeout");
    if (!timeout.ok()) return timeout.status();
    timeout_ns = *timeout;
  }
  auto found = executor().Find(identity(), request_.session_id());
  if (!found.ok()) return found.status();
  Follow(*std::move(found));
  if (session().termination().has_value()) {
    Answer();
  } else if (request_.has_timeout()) {
    timer_.expires_after(std::chrono::nanoseconds(timeout_ns));
    timer_.async_wait([this](std::error_code error) {
      if (!error && !finished()) Answer();
    });
  }
  return absl::OkStatus();
}

void WaitSessionCall::OnProgress() {
  if (session().termination().has_value()) Answer();
}

void WaitSessionCall::Answer() {
  timer_.cancel();
  *response_->mutable_session() = Describe(executor(), session());
  Complete(absl::OkStatus());
}

// --- WriteInput ---------------------------------------------------------------------------------

WriteInputCall::WriteInputCall(asio::io_context& loop, Executor& executor, Identity identity,
                               const v1::WriteInputRequest& request,
                               v1::WriteInputResponse* response)
    : FollowerCall(loop, executor, std::move(identity)), request_(request), response_(response) {
  BeginSoon();
}

absl::Status WriteInputCall::Begin() {
  if (!request_.has_input()) return InvalidField("input", "is required");
  if (request_.input().data().size() > kMaxInput) {
    return InvalidField("input.data", absl::StrCat("exceeds ", kMaxInput, " bytes"));
  }
  auto found = executor().FindForInput(identity(), request_.session_id());
  if (!found.ok()) return found.status();
  if (!(*found)->takes_input()) {
    return InvalidField("input", "the command was started without input");
  }
  Follow(*std::move(found));
  session().TakeInput(this);
  if (session().running() || session().termination().has_value()) OnProgress();
  return absl::OkStatus();
}

void WriteInputCall::OnProgress() {
  if (session().termination().has_value()) {
    Complete(SessionEnded(session()));
    return;
  }
  const v1::Input& input = request_.input();
  const uint64_t offset = input.has_offset() ? input.offset() : session().input_offset();
  session().ObserveInput();
  const auto taken = session().WriteInput(offset, input.data());
  if (!taken.ok()) {
    Complete(taken.status());
  } else if (*taken == 0 && !input.data().empty()) {
    session().Wait(0);  // for room
  } else {
    absl::Status closed;
    if (*taken == input.data().size() && input.eof())
      closed = session().CloseInput(offset + *taken);
    response_->set_offset(session().input_offset());
    Complete(closed);
  }
}

void WriteInputCall::OnInputTaken() {
  Complete(
      MakeError(absl::StatusCode::kAborted, "INPUT_TAKEN", "another caller writes the input now"));
}

}  // namespace nacre
