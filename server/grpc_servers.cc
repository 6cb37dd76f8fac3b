#include "server/grpc_servers.h"

#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "nacre/v1/shell.grpc.pb.h"
#include "server/exec_reactor.h"
#include "server/run_reactor.h"

namespace nacre {
namespace {

constexpr size_t kMaxPrincipals = 64;
constexpr int kMaxReceiveBytes = 4 * 1024 * 1024;
constexpr int kMaxMetadataBytes = 16 * 1024;
constexpr int kMaxStreamsPerConnection = 1000;
constexpr int kLookaheadBytes = 1024 * 1024;
constexpr int kHandshakeTimeoutMs = 5000;

// The service as one identity sees it.
class ShellService : public v1::ShellService::CallbackService {
 public:
  ShellService(asio::io_context& loop, Executor& executor, Identity identity)
      : loop_(loop), executor_(executor), identity_(std::move(identity)) {}

  grpc::ServerUnaryReactor* Run(grpc::CallbackServerContext* /*context*/,
                                const v1::RunRequest* request, v1::RunResponse* response) override {
    return new RunReactor(loop_, executor_, identity_, *request, response);
  }

  grpc::ServerBidiReactor<v1::ExecRequest, v1::ExecResponse>* Exec(
      grpc::CallbackServerContext* context) override {
    return new ExecReactor(loop_, executor_, *context, identity_);
  }

 private:
  asio::io_context& loop_;
  Executor& executor_;
  const Identity identity_;
};

}  // namespace

struct GrpcServers::Principal {
  Principal(asio::io_context& loop, Executor& executor, const Identity& identity)
      : shell(loop, executor, identity) {
    grpc::ServerBuilder builder;
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
    acceptor = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        grpc::InsecureServerCredentials());
    server = builder.BuildAndStart();
  }

  ShellService shell;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor;
  std::unique_ptr<grpc::Server> server;
};

GrpcServers::GrpcServers(asio::io_context& loop, Executor& executor)
    : loop_(loop), executor_(executor) {
  grpc::EnableDefaultHealthCheckService(true);
}

GrpcServers::~GrpcServers() = default;

absl::Status GrpcServers::Serve(const Identity& identity, UniqueFd connection) {
  auto it = principals_.find(identity.name);
  if (it == principals_.end()) {
    if (principals_.size() >= kMaxPrincipals) {
      return absl::ResourceExhaustedError("too many identities at once");
    }
    auto principal = std::make_unique<Principal>(loop_, executor_, identity);
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
