#include "tests/client/fake_node.h"

#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/health_check_service_interface.h>
#include <xxhash.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "nacre/internal/v1/status.pb.h"

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
  Service(ExecScript exec, RunScript run) : exec_(std::move(exec)), run_(std::move(run)) {}

  grpc::Status Exec(grpc::ServerContext* /*context*/, ExecStream* stream) override {
    v1::ExecRequest request;
    if (!stream->Read(&request) || !request.has_start()) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "no start"};
    }
    return exec_(request.start(), *stream);
  }

  grpc::Status Run(grpc::ServerContext* /*context*/, const v1::RunRequest* request,
                   v1::RunResponse* response) override {
    return run_(*request, response);
  }

 private:
  const ExecScript exec_;
  const RunScript run_;
};

FakeNode::FakeNode(ExecScript exec, RunScript run)
    : service_(std::make_unique<Service>(std::move(exec), std::move(run))) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(target(), grpc::InsecureServerCredentials());
  builder.RegisterService(service_.get());
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
                             const std::string& reason) {
  internal::v1::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("nacre");
  internal::v1::Status status;
  status.set_code(code);
  status.set_message(message);
  google::protobuf::Any* detail = status.add_details();
  detail->set_type_url("type.googleapis.com/google.rpc.ErrorInfo");
  detail->set_value(info.SerializeAsString());
  return {code, message, status.SerializeAsString()};
}

}  // namespace nacre::client
