#include "server/grpc_servers.h"

#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <asio/post.hpp>

#include "nacre/v1/node.grpc.pb.h"
#include "nacre/v1/shell.grpc.pb.h"
#include "server/bidi_stream.h"
#include "server/file_service.h"
#include "server/node_calls.h"
#include "server/run_reactor.h"
#include "server/session_calls.h"
#include "server/status.h"
#include "server/stream_output_reactor.h"

namespace nacre {
namespace {

constexpr size_t kMaxPrincipals = 64;
constexpr int kMaxMetadataBytes = 16 * 1024;
constexpr int kLookaheadBytes = 1024 * 1024;
constexpr int kHandshakeTimeoutMs = 5000;
// A peer that is cut off is noticed within the two together, so that a disconnect grace of 30 s is
// not one of 45.
constexpr int kPingIntervalMs = 3000;
constexpr int kPingTimeoutMs = 6000;
// A client that pings more often than this is one that means harm.
constexpr int kMinClientPingIntervalMs = 500;

// Over a network both ends ping: without, a cut is noticed by whoever sends, after a quarter of an
// hour.
void WatchNetwork(grpc::ServerBuilder* builder) {
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kPingIntervalMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              kMinClientPingIntervalMs);
}

// Answers with what `call` says on the loop. Request and response live until then.
template <typename Call>
grpc::ServerUnaryReactor* AnswerOn(asio::io_context& loop, Executor& executor,
                                   grpc::CallbackServerContext* context, Call call) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  asio::post(loop, [&executor, reactor, call = std::move(call)] {
    const grpc::Status status = ToGrpcStatus(call());
    executor.WhenKept([reactor, status] { reactor->Finish(status); });
  });
  return reactor;
}

// The node as one identity sees it.
class NodeService : public v1::NodeService::CallbackService {
 public:
  NodeService(asio::io_context& loop, Executor& executor, const v1::Node& facts, Identity identity)
      : loop_(loop), executor_(executor), facts_(facts), identity_(std::move(identity)) {}

  grpc::ServerUnaryReactor* GetNode(grpc::CallbackServerContext* context,
                                    const v1::GetNodeRequest* /*request*/,
                                    v1::GetNodeResponse* response) override {
    return AnswerOn(loop_, executor_, context, [this, response] {
      return nacre::GetNode(executor_, identity_, facts_, response->mutable_node());
    });
  }

  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* context,
                                  const v1::DrainRequest* request,
                                  v1::DrainResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    asio::post(loop_, [this, reactor, request, response] {
      executor_.SetDraining(identity_, !request->undo(), [=, this](absl::Status status) {
        if (status.ok()) {
          status = nacre::GetNode(executor_, identity_, facts_, response->mutable_node());
        }
        reactor->Finish(ToGrpcStatus(status));
      });
    });
    return reactor;
  }

 private:
  asio::io_context& loop_;
  Executor& executor_;
  const v1::Node& facts_;
  const Identity identity_;
};

// The service as one identity sees it.
class ShellService : public v1::ShellService::CallbackService {
 public:
  ShellService(asio::io_context& loop, Executor& executor, Identity identity,
               int64_t stream_idle_ns)
      : loop_(loop),
        executor_(executor),
        identity_(std::move(identity)),
        stream_idle_ns_(stream_idle_ns) {}

  grpc::ServerUnaryReactor* Run(grpc::CallbackServerContext* /*context*/,
                                const v1::RunRequest* request, v1::RunResponse* response) override {
    return new RunReactor(loop_, executor_, identity_, *request, response);
  }

  grpc::ServerBidiReactor<v1::ExecRequest, v1::ExecResponse>* Exec(
      grpc::CallbackServerContext* context) override {
    return new ExecReactor(loop_, executor_, *context, identity_, stream_idle_ns_);
  }

  grpc::ServerBidiReactor<v1::AttachRequest, v1::AttachResponse>* Attach(
      grpc::CallbackServerContext* context) override {
    return new AttachReactor(loop_, executor_, *context, identity_, stream_idle_ns_);
  }

  grpc::ServerUnaryReactor* StartSession(grpc::CallbackServerContext* /*context*/,
                                         const v1::StartSessionRequest* request,
                                         v1::StartSessionResponse* response) override {
    return new StartSessionCall(loop_, executor_, identity_, *request, response);
  }

  grpc::ServerWriteReactor<v1::StreamOutputResponse>* StreamOutput(
      grpc::CallbackServerContext* /*context*/, const v1::StreamOutputRequest* request) override {
    return new StreamOutputReactor(loop_, executor_, identity_, stream_idle_ns_, *request);
  }

  grpc::ServerUnaryReactor* WriteInput(grpc::CallbackServerContext* /*context*/,
                                       const v1::WriteInputRequest* request,
                                       v1::WriteInputResponse* response) override {
    return new WriteInputCall(loop_, executor_, identity_, *request, response);
  }

  grpc::ServerUnaryReactor* SignalSession(grpc::CallbackServerContext* context,
                                          const v1::SignalSessionRequest* request,
                                          v1::SignalSessionResponse* /*response*/) override {
    return Answer(context,
                  [this, request] { return nacre::SignalSession(executor_, identity_, *request); });
  }

  grpc::ServerUnaryReactor* ResizeTerminal(grpc::CallbackServerContext* context,
                                           const v1::ResizeTerminalRequest* request,
                                           v1::ResizeTerminalResponse* /*response*/) override {
    return Answer(
        context, [this, request] { return nacre::ResizeTerminal(executor_, identity_, *request); });
  }

  grpc::ServerUnaryReactor* GetSession(grpc::CallbackServerContext* context,
                                       const v1::GetSessionRequest* request,
                                       v1::GetSessionResponse* response) override {
    return Answer(context, [this, request, response] {
      return nacre::GetSession(executor_, identity_, *request, response);
    });
  }

  grpc::ServerUnaryReactor* ListSessions(grpc::CallbackServerContext* context,
                                         const v1::ListSessionsRequest* request,
                                         v1::ListSessionsResponse* response) override {
    return Answer(context, [this, request, response] {
      return nacre::ListSessions(executor_, identity_, *request, response);
    });
  }

  grpc::ServerUnaryReactor* WaitSession(grpc::CallbackServerContext* /*context*/,
                                        const v1::WaitSessionRequest* request,
                                        v1::WaitSessionResponse* response) override {
    return new WaitSessionCall(loop_, executor_, identity_, *request, response);
  }

  grpc::ServerUnaryReactor* EndSession(grpc::CallbackServerContext* context,
                                       const v1::EndSessionRequest* request,
                                       v1::EndSessionResponse* response) override {
    return Answer(context, [this, request, response] {
      return nacre::EndSession(executor_, identity_, *request, response);
    });
  }

  grpc::ServerUnaryReactor* DeleteSession(grpc::CallbackServerContext* context,
                                          const v1::DeleteSessionRequest* request,
                                          v1::DeleteSessionResponse* /*response*/) override {
    return Answer(context,
                  [this, request] { return nacre::DeleteSession(executor_, identity_, *request); });
  }

 private:
  template <typename Call>
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, Call call) {
    return AnswerOn(loop_, executor_, context, std::move(call));
  }

  asio::io_context& loop_;
  Executor& executor_;
  const Identity identity_;
  const int64_t stream_idle_ns_;
};

}  // namespace

struct GrpcServers::Principal {
  Principal(asio::io_context& loop, Executor& executor, IoPool& pool, const v1::Node& facts,
            const Identity& identity, int64_t stream_idle_ns)
      : files(loop, executor, pool, identity),
        node(loop, executor, facts, identity),
        shell(loop, executor, identity, stream_idle_ns) {
    grpc::ServerBuilder builder;
    builder.RegisterService(&files);
    builder.RegisterService(&node);
    builder.RegisterService(&shell);
    builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    // Local connections need no measuring, which costs a ping and a wake-up for every burst of
    // output.
    builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kLookaheadBytes);
    if (!identity.uid.has_value()) WatchNetwork(&builder);
    acceptor = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        grpc::InsecureServerCredentials());
    server = builder.BuildAndStart();
  }

  FileService files;
  NodeService node;
  ShellService shell;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor;
  std::unique_ptr<grpc::Server> server;
};

GrpcServers::GrpcServers(asio::io_context& loop, Executor& executor, v1::Node facts,
                         int64_t stream_idle_ns)
    : loop_(loop), executor_(executor), facts_(std::move(facts)), stream_idle_ns_(stream_idle_ns) {
  grpc::EnableDefaultHealthCheckService(true);
}

GrpcServers::~GrpcServers() = default;

absl::Status GrpcServers::Serve(const Identity& identity, UniqueFd connection) {
  auto it = principals_.find(identity.name);
  if (it == principals_.end()) {
    if (principals_.size() >= kMaxPrincipals) {
      return absl::ResourceExhaustedError("too many identities at once");
    }
    auto principal =
        std::make_unique<Principal>(loop_, executor_, pool_, facts_, identity, stream_idle_ns_);
    if (principal->server == nullptr) return absl::InternalError("gRPC server did not start");
    it = principals_.emplace(identity.name, std::move(principal)).first;
  }
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.listener_fd = -1;
  parameters.fd = connection.release();
  it->second->acceptor->HandleNewConnection(&parameters);
  return absl::OkStatus();
}

void GrpcServers::StopServing() {
  for (auto& [name, principal] : principals_) {
    principal->server->GetHealthCheckService()->SetServingStatus(false);
  }
}

void GrpcServers::Shutdown(std::chrono::system_clock::time_point deadline) {
  for (auto& [name, principal] : principals_) principal->server->Shutdown(deadline);
}

}  // namespace nacre
