#include "tests/client/fake_node.h"

#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/health_check_service_interface.h>
#include <xxhash.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "nacre/internal/v1/status.pb.h"
#include "nacre/v1/node.grpc.pb.h"

namespace nacre::client {

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "nacre-client-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) std::abort();
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

class FakeNode::Service : public v1::ShellService::Service {
 public:
  explicit Service(Scripts scripts) : scripts_(std::move(scripts)) {}

  grpc::Status Exec(grpc::ServerContext* /*context*/, ExecStream* stream) override {
    v1::ExecRequest request;
    if (!stream->Read(&request) || !request.has_start()) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "no start"};
    }
    return Play(scripts_.exec, request.start(), *stream);
  }

  grpc::Status Attach(grpc::ServerContext* /*context*/, AttachStream* stream) override {
    v1::AttachRequest request;
    if (!stream->Read(&request) || !request.has_attach()) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "no attach"};
    }
    return Play(scripts_.attach, request.attach(), *stream);
  }

  grpc::Status Run(grpc::ServerContext* /*context*/, const v1::RunRequest* request,
                   v1::RunResponse* response) override {
    return Play(scripts_.run, *request, response);
  }

  grpc::Status StartSession(grpc::ServerContext* /*context*/,
                            const v1::StartSessionRequest* request,
                            v1::StartSessionResponse* response) override {
    return Play(scripts_.start_session, *request, response);
  }

  grpc::Status GetSession(grpc::ServerContext* /*context*/, const v1::GetSessionRequest* request,
                          v1::GetSessionResponse* response) override {
    return Play(scripts_.get_session, *request, response);
  }

  grpc::Status ListSessions(grpc::ServerContext* /*context*/,
                            const v1::ListSessionsRequest* request,
                            v1::ListSessionsResponse* response) override {
    return Play(scripts_.list_sessions, *request, response);
  }

  grpc::Status WaitSession(grpc::ServerContext* /*context*/, const v1::WaitSessionRequest* request,
                           v1::WaitSessionResponse* response) override {
    return Play(scripts_.wait_session, *request, response);
  }

  grpc::Status EndSession(grpc::ServerContext* /*context*/, const v1::EndSessionRequest* request,
                          v1::EndSessionResponse* response) override {
    return Play(scripts_.end_session, *request, response);
  }

  grpc::Status SignalSession(grpc::ServerContext* /*context*/,
                             const v1::SignalSessionRequest* request,
                             v1::SignalSessionResponse* response) override {
    return Play(scripts_.signal_session, *request, response);
  }

  grpc::Status DeleteSession(grpc::ServerContext* /*context*/,
                             const v1::DeleteSessionRequest* request,
                             v1::DeleteSessionResponse* response) override {
    return Play(scripts_.delete_session, *request, response);
  }

 private:
  template <typename Script, typename... Arguments>
  static grpc::Status Play(const Script& script, Arguments&&... arguments) {
    if (script == nullptr) return {grpc::StatusCode::UNIMPLEMENTED, "not scripted"};
    return script(std::forward<Arguments>(arguments)...);
  }

  const Scripts scripts_;
};

class FakeNode::NodeService : public v1::NodeService::Service {
 public:
  using GetScript = UnaryScript<v1::GetNodeRequest, v1::GetNodeResponse>;
  using DrainScript = UnaryScript<v1::DrainRequest, v1::DrainResponse>;
  NodeService(GetScript get_node, DrainScript drain)
      : get_node_(std::move(get_node)), drain_(std::move(drain)) {}

  grpc::Status GetNode(grpc::ServerContext* /*context*/, const v1::GetNodeRequest* request,
                       v1::GetNodeResponse* response) override {
    return get_node_ != nullptr ? get_node_(*request, response)
                                : grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "");
  }

  grpc::Status Drain(grpc::ServerContext* /*context*/, const v1::DrainRequest* request,
                     v1::DrainResponse* response) override {
    return drain_ != nullptr ? drain_(*request, response)
                             : grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "");
  }

 private:
  const GetScript get_node_;
  const DrainScript drain_;
};

FakeNode::FakeNode(Scripts scripts) {
  if (scripts.get_node != nullptr || scripts.drain != nullptr) {
    node_service_ =
        std::make_unique<NodeService>(std::move(scripts.get_node), std::move(scripts.drain));
  }
  service_ = std::make_unique<Service>(std::move(scripts));
  grpc::EnableDefaultHealthCheckService(true);
  Return();
}

FakeNode::FakeNode(ExecScript exec, RunScript run)
    : FakeNode(Scripts{.exec = std::move(exec), .run = std::move(run)}) {}

void FakeNode::Return() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(target(), grpc::InsecureServerCredentials());
  builder.RegisterService(service_.get());
  if (node_service_ != nullptr) builder.RegisterService(node_service_.get());
  server_ = builder.BuildAndStart();
  SetServing(true);
}

FakeNode::~FakeNode() { Vanish(); }

void FakeNode::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

void FakeNode::Vanish() { server_->Shutdown(std::chrono::system_clock::now()); }

v1::ExecResponse StartedEvent(uint32_t input_window) {
  v1::ExecResponse response;
  v1::Started* started = response.add_events()->mutable_started();
  started->mutable_session()->set_id("session-1");
  started->mutable_session()->set_owner("uid:7");
  started->set_input_window(input_window);
  return response;
}

v1::ExecResponse AttachedEvent(uint64_t next_position, uint64_t input_offset,
                               uint32_t input_window) {
  v1::ExecResponse response;
  v1::Attached* attached = response.add_events()->mutable_attached();
  attached->mutable_session()->set_id("session-1");
  attached->mutable_session()->set_owner("uid:7");
  attached->set_next_position(next_position);
  attached->set_input_offset(input_offset);
  attached->set_input_window(input_window);
  return response;
}

v1::ExecResponse GapEvent(uint64_t from, uint64_t to) {
  v1::ExecResponse response;
  v1::Gap* gap = response.add_events()->mutable_gap();
  gap->set_from(from);
  gap->set_to(to);
  return response;
}

v1::ExecResponse OutputEvent(uint64_t position, std::string_view data, v1::OutputStream stream) {
  v1::ExecResponse response;
  v1::Output* output = response.add_events()->mutable_output();
  output->set_stream(stream);
  output->set_position(position);
  output->set_data(data.data(), data.size());
  return response;
}

v1::ExecResponse InputAckEvent(uint64_t offset) {
  v1::ExecResponse response;
  response.add_events()->mutable_input_ack()->set_offset(offset);
  return response;
}

v1::AttachResponse ForAttach(v1::ExecResponse response) {
  v1::AttachResponse converted;
  converted.mutable_events()->Swap(response.mutable_events());
  return converted;
}

v1::StreamSummary Summarize(v1::OutputStream stream, std::string_view bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  v1::StreamSummary summary;
  summary.set_stream(stream);
  summary.set_bytes(bytes.size());
  summary.set_xxh3_128(canonical.digest, sizeof canonical.digest);
  return summary;
}

v1::ExecResponse ExitEvent(int code, std::string_view out, std::string_view err) {
  v1::ExecResponse response;
  v1::Termination* end = response.add_events()->mutable_terminated()->mutable_termination();
  end->set_exit_code(static_cast<uint32_t>(code));
  end->set_cause(v1::CAUSE_EXITED);
  end->set_output_complete(true);
  *end->add_streams() = Summarize(v1::OUTPUT_STREAM_STDOUT, out);
  *end->add_streams() = Summarize(v1::OUTPUT_STREAM_STDERR, err);
  return response;
}

v1::ExecResponse SignalDeathEvent(int number, const std::string& name, v1::Cause cause,
                                  std::string_view out, std::string_view err) {
  v1::ExecResponse response;
  v1::Termination* end = response.add_events()->mutable_terminated()->mutable_termination();
  end->mutable_signal()->set_number(static_cast<uint32_t>(number));
  end->mutable_signal()->set_name(name);
  end->set_cause(cause);
  end->set_output_complete(true);
  *end->add_streams() = Summarize(v1::OUTPUT_STREAM_STDOUT, out);
  *end->add_streams() = Summarize(v1::OUTPUT_STREAM_STDERR, err);
  return response;
}

grpc::Status ErrorWithReason(grpc::StatusCode code, const std::string& message,
                             const std::string& reason,
                             const std::map<std::string, std::string>& metadata) {
  internal::v1::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("nacre");
  info.mutable_metadata()->insert(metadata.begin(), metadata.end());
  internal::v1::Status status;
  status.set_code(code);
  status.set_message(message);
  google::protobuf::Any* detail = status.add_details();
  detail->set_type_url("type.googleapis.com/google.rpc.ErrorInfo");
  detail->set_value(info.SerializeAsString());
  return {code, message, status.SerializeAsString()};
}

grpc::Status ConnectionLost() { return {grpc::StatusCode::UNAVAILABLE, "Socket closed"}; }

grpc::Status FrontRestarting() {
  return ErrorWithReason(grpc::StatusCode::UNAVAILABLE, "the front restarts", "FRONT_RESTARTING");
}

}  // namespace nacre::client
