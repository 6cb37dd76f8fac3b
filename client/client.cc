#include "nacre/client.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/channel.h"
#include "client/command.h"
#include "client/connect_error.h"
#include "client/connection.h"
#include "client/node_info.h"
#include "client/output_ledger.h"
#include "client/process.h"
#include "client/repeat.h"
#include "client/session_info.h"
#include "client/status.h"
#include "client/target.h"
#include "client/termination.h"
#include "nacre/v1/node.grpc.pb.h"
#include "nacre/v1/shell.grpc.pb.h"

namespace nacre::client {
namespace {

// A HealthCheckResponse whose status is SERVING. Debian ships no health stubs, and these two bytes
// don't ask for any.
constexpr std::string_view kServing = "\x08\x01";

void SetDeadline(grpc::ClientContext& context, absl::Duration deadline) {
  if (deadline == absl::InfiniteDuration()) return;
  context.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
}

std::string ToString(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

grpc::Status CheckHealth(const std::shared_ptr<grpc::Channel>& channel, absl::Duration deadline,
                         std::string* answer) {
  grpc::ClientContext context;
  SetDeadline(context, deadline);
  grpc::CompletionQueue queue;
  grpc::GenericStub stub(channel);
  grpc::ByteBuffer request(nullptr, 0);
  grpc::ByteBuffer response;
  grpc::Status status;
  const auto call =
      stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
  call->StartCall();
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (status.ok()) *answer = ToString(response);
  return status;
}

// The same proof that Process gives, for an answer that came in one piece.
absl::Status Prove(const RunResult& result) {
  if (result.truncated) return absl::OkStatus();
  OutputLedger ledger;
  absl::Status status = ledger.Enter(OutputStream::kStdout, 0, result.out);
  status.Update(ledger.Enter(OutputStream::kStderr, result.out.size(), result.err));
  status.Update(ledger.Prove(result.termination.streams));
  return status;
}

}  // namespace

class Client::Impl {
 public:
  explicit Impl(Connection connection)
      : connection_(std::move(connection)),
        text_(connection_.target.ToString()),
        stub_(v1::ShellService::NewStub(connection_.channel)),
        node_stub_(v1::NodeService::NewStub(connection_.channel)) {}

  const std::string& text() const { return text_; }
  const Connection& connection() const { return connection_; }
  const Target& target() const { return connection_.target; }
  const std::shared_ptr<grpc::Channel>& channel() const { return connection_.channel; }
  v1::ShellService::Stub& stub() const { return *stub_; }
  v1::NodeService::Stub& node_stub() const { return *node_stub_; }

  std::unique_ptr<Process> Follow(Opening opening) const {
    return std::unique_ptr<Process>(new Process(std::make_unique<Process::Impl>(
        channel(), target(), std::move(opening), connection_.resume_for)));
  }

  // For what can be asked again without harm.
  absl::Status Repeat(const std::function<grpc::Status(grpc::ClientContext*)>& attempt) const {
    return connection_.Repeat(attempt);
  }

  absl::Status Translate(const grpc::Status& status) const {
    absl::Status translated = FromGrpc(status);
    if (!absl::IsUnavailable(translated) || !ErrorReason(translated).empty()) return translated;
    return ExplainNoConnection(target(), status.error_message());
  }

 private:
  const Connection connection_;
  const std::string text_;
  const std::unique_ptr<v1::ShellService::Stub> stub_;
  const std::unique_ptr<v1::NodeService::Stub> node_stub_;
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(const ConnectOptions& options) {
  auto target = ParseTarget(options.target.empty() ? DefaultTarget() : options.target);
  if (!target.ok()) return target.status();
  if (!target->IsLocal()) {
    return absl::FailedPreconditionError(absl::StrCat(
        target->ToString(), " is not on this machine, and Nacre speaks plaintext to ",
        "Unix sockets and loopback only; forward a local socket to it, e.g. by ssh -L"));
  }
  auto channel = MakeChannel(*target, options.connect_timeout);
  return std::unique_ptr<Client>(new Client(std::make_unique<Impl>(
      Connection{std::move(channel), *std::move(target), options.resume_for})));
}

const std::string& Client::target() const { return impl_->text(); }

const Connection& Client::connection() const { return impl_->connection(); }

absl::StatusOr<absl::Duration> Client::Ping(absl::Duration deadline) {
  const absl::Time start = absl::Now();
  std::string answer;
  const grpc::Status status = CheckHealth(impl_->channel(), deadline, &answer);
  if (!status.ok()) return impl_->Translate(status);
  if (answer != kServing) {
    return absl::UnavailableError(absl::StrCat(target(), " answers, but does not serve"));
  }
  return absl::Now() - start;
}

absl::StatusOr<RunResult> Client::Run(const Command& command, const RunOptions& options) {
  auto start = ToStart(command);
  if (!start.ok()) return start.status();
  v1::RunRequest request;
  *request.mutable_start() = *std::move(start);
  request.set_max_output_bytes(options.max_output_bytes);
  grpc::ClientContext context;
  SetDeadline(context, options.deadline);
  v1::RunResponse response;
  const grpc::Status status = impl_->stub().Run(&context, request, &response);
  if (!status.ok()) return impl_->Translate(status);
  RunResult result{.session_id = std::move(*response.mutable_session()->mutable_id()),
                   .out = std::move(*response.mutable_stdout()),
                   .err = std::move(*response.mutable_stderr()),
                   .truncated = response.truncated(),
                   .termination = FromWire(response.termination())};
  if (absl::Status proof = Prove(result); !proof.ok()) return proof;
  return result;
}

absl::StatusOr<std::unique_ptr<Process>> Client::Exec(const Command& command) {
  auto start = ToStart(command);
  if (!start.ok()) return start.status();
  if (start->request_id().empty()) start->set_request_id(NewRequestId());
  start->set_will_ack(true);
  return impl_->Follow(*std::move(start));
}

absl::StatusOr<std::unique_ptr<Process>> Client::Attach(const std::string& session_id,
                                                        const AttachOptions& options) {
  auto attach = ToAttach(session_id, options);
  if (!attach.ok()) return attach.status();
  return impl_->Follow(*std::move(attach));
}

absl::StatusOr<NodeInfo> Client::GetNode() {
  v1::GetNodeResponse response;
  const absl::Status status = impl_->Repeat([&](grpc::ClientContext* context) {
    return impl_->node_stub().GetNode(context, v1::GetNodeRequest(), &response);
  });
  // gRPC's own answer for a service that isn't there says nothing.
  if (absl::IsUnimplemented(status)) {
    return absl::UnimplementedError(
        absl::StrCat("the node at ", target(), " can't tell of itself: its release is too old"));
  }
  if (!status.ok()) return status;
  return FromWire(response.node());
}

absl::StatusOr<NodeInfo> Client::Drain(bool undo) {
  v1::DrainRequest request;
  request.set_undo(undo);
  v1::DrainResponse response;
  const absl::Status status = impl_->Repeat([&](grpc::ClientContext* context) {
    return impl_->node_stub().Drain(context, request, &response);
  });
  if (absl::IsUnimplemented(status)) {
    return absl::UnimplementedError(
        absl::StrCat("the node at ", target(), " can't be drained: its release is too old"));
  }
  if (!status.ok()) return status;
  return FromWire(response.node());
}

absl::StatusOr<StartResult> Client::StartSession(const Command& command) {
  auto start = ToStart(command);
  if (!start.ok()) return start.status();
  v1::StartSessionRequest request;
  *request.mutable_start() = *std::move(start);
  if (command.request_id.empty()) request.mutable_start()->set_request_id(NewRequestId());
  v1::StartSessionResponse response;
  const absl::Status status = impl_->Repeat([&](grpc::ClientContext* context) {
    return impl_->stub().StartSession(context, request, &response);
  });
  if (!status.ok()) return status;
  return StartResult{.session = FromWire(response.session()),
                     .already_started = response.already_started()};
}

absl::StatusOr<SessionInfo> Client::GetSession(const std::string& session_id) {
  if (absl::Status status = CheckSessionId(session_id); !status.ok()) return status;
  v1::GetSessionRequest request;
  request.set_session_id(session_id);
  v1::GetSessionResponse response;
  const absl::Status status = impl_->Repeat([&](grpc::ClientContext* context) {
    return impl_->stub().GetSession(context, request, &response);
  });
  if (!status.ok()) return status;
  return FromWire(response.session());
}

absl::StatusOr<SessionPage> Client::ListSessions(const SessionFilter& filter,
                                                 const std::string& page_token) {
  const auto request = ToListRequest(filter, page_token);
  if (!request.ok()) return request.status();
  v1::ListSessionsResponse response;
  const absl::Status status = impl_->Repeat([&](grpc::ClientContext* context) {
    return impl_->stub().ListSessions(context, *request, &response);
  });
  if (!status.ok()) return status;
  SessionPage page{.next_page_token = response.next_page_token()};
  for (const v1::Session& session : response.sessions()) page.sessions.push_back(FromWire(session));
  return page;
}

absl::StatusOr<SessionInfo> Client::WaitSession(const std::string& session_id,
                                                absl::Duration timeout) {
  if (absl::Status status = CheckSessionId(session_id); !status.ok()) return status;
  v1::WaitSessionRequest request;
  request.set_session_id(session_id);
  v1::WaitSessionResponse response;
  const absl::Time deadline = absl::Now() + timeout;
  const absl::Status status = impl_->Repeat([&](grpc::ClientContext* context) {
    if (timeout != absl::InfiniteDuration()) {
      const absl::Duration left = std::max(deadline - absl::Now(), absl::ZeroDuration());
      *request.mutable_timeout() = ToWire(left);
    }
    return impl_->stub().WaitSession(context, request, &response);
  });
  if (!status.ok()) return status;
  return FromWire(response.session());
}

absl::StatusOr<SessionInfo> Client::EndSession(const std::string& session_id) {
  if (absl::Status status = CheckSessionId(session_id); !status.ok()) return status;
  v1::EndSessionRequest request;
  request.set_session_id(session_id);
  v1::EndSessionResponse response;
  const absl::Status status = impl_->Repeat([&](grpc::ClientContext* context) {
    return impl_->stub().EndSession(context, request, &response);
  });
  if (!status.ok()) return status;
  return FromWire(response.session());
}

absl::Status Client::SignalSession(const std::string& session_id, int number, KillScope scope) {
  if (absl::Status status = CheckSessionId(session_id); !status.ok()) return status;
  v1::SignalSessionRequest request;
  request.set_session_id(session_id);
  request.mutable_signal()->set_number(static_cast<uint32_t>(number));
  request.mutable_signal()->set_scope(ToWire(scope));
  v1::SignalSessionResponse response;
  // Once: it may have been sent though the answer is lost.
  return Repeat(impl_->connection(), absl::ZeroDuration(), [&](grpc::ClientContext* context) {
    return impl_->stub().SignalSession(context, request, &response);
  });
}

absl::Status Client::ResizeTerminal(const std::string& session_id, uint32_t rows,
                                    uint32_t columns) {
  if (absl::Status status = CheckSessionId(session_id); !status.ok()) return status;
  v1::ResizeTerminalRequest request;
  request.set_session_id(session_id);
  request.mutable_size()->set_rows(rows);
  request.mutable_size()->set_columns(columns);
  v1::ResizeTerminalResponse response;
  return impl_->Repeat([&](grpc::ClientContext* context) {
    return impl_->stub().ResizeTerminal(context, request, &response);
  });
}

absl::Status Client::DeleteSession(const std::string& session_id, bool force) {
  if (absl::Status status = CheckSessionId(session_id); !status.ok()) return status;
  v1::DeleteSessionRequest request;
  request.set_session_id(session_id);
  request.set_force(force);
  v1::DeleteSessionResponse response;
  int attempts = 0;
  absl::Status status = impl_->Repeat([&](grpc::ClientContext* context) {
    ++attempts;
    return impl_->stub().DeleteSession(context, request, &response);
  });
  // The attempt whose answer was lost has done it.
  if (attempts > 1 && absl::IsNotFound(status)) return absl::OkStatus();
  return status;
}

}  // namespace nacre::client
