#include "bench/floor_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "bench/commands.h"
#include "floor.grpc.pb.h"

namespace nacre::bench {
namespace {

constexpr auto kConnectTime = std::chrono::seconds(10);

absl::Status FromGrpc(const grpc::Status& status) {
  return {static_cast<absl::StatusCode>(status.error_code()), status.error_message()};
}

absl::Status CheckBytes(uint64_t got, uint64_t wanted) {
  if (got == wanted) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("floor: ", got, " bytes of ", wanted, " came"));
}

}  // namespace

struct FloorClient::Impl {
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<FloorService::Stub> stub;
};

FloorClient::FloorClient(const std::string& target) : impl_(std::make_unique<Impl>()) {
  grpc::ChannelArguments arguments;
  // The server may still be starting.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  impl_->channel = grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
  impl_->stub = FloorService::NewStub(impl_->channel);
}

FloorClient::~FloorClient() = default;

absl::Status FloorClient::Connect() {
  if (impl_->channel->WaitForConnected(std::chrono::system_clock::now() + kConnectTime)) {
    return Nothing();
  }
  return absl::UnavailableError("the floors' server does not answer");
}

absl::Status FloorClient::Nothing() {
  grpc::ClientContext context;
  NothingResponse response;
  return FromGrpc(impl_->stub->Nothing(&context, {}, &response));
}

absl::Status FloorClient::StreamOut(uint64_t bytes) {
  grpc::ClientContext context;
  StreamOutRequest request;
  request.set_bytes(bytes);
  const auto reader = impl_->stub->StreamOut(&context, request);
  uint64_t taken = 0;
  v1::ExecResponse response;
  while (reader->Read(&response)) {
    for (const v1::SessionEvent& event : response.events()) taken += event.output().data().size();
  }
  if (absl::Status status = FromGrpc(reader->Finish()); !status.ok()) return status;
  return CheckBytes(taken, bytes);
}

absl::Status FloorClient::StreamIn(uint64_t bytes) {
  grpc::ClientContext context;
  StreamInResponse response;
  const auto writer = impl_->stub->StreamIn(&context, &response);
  const std::string piece(kInputPiece, 'x');
  v1::ExecRequest request;
  for (uint64_t sent = 0; sent < bytes;) {
    const uint64_t size = std::min<uint64_t>(piece.size(), bytes - sent);
    request.mutable_input()->set_offset(sent);
    request.mutable_input()->set_data(piece.data(), size);
    if (!writer->Write(request)) break;
    sent += size;
  }
  writer->WritesDone();
  if (absl::Status status = FromGrpc(writer->Finish()); !status.ok()) return status;
  return CheckBytes(response.bytes(), bytes);
}

}  // namespace nacre::bench
