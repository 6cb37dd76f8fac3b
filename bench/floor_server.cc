#include "bench/floor_server.h"

#include <errno.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/child.h"
#include "bench/commands.h"
#include "bench/io.h"
#include "floor.grpc.pb.h"

namespace nacre::bench {
namespace {

// A pipe holds no more.
constexpr size_t kMessageBytes = 64 * 1024;

grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

// Sends a command's output: read from the pipe into the message, write the message, again. Reads
// block gRPC's thread, which has nothing else to do here.
class StreamOut : public grpc::ServerWriteReactor<v1::ExecResponse> {
 public:
  explicit StreamOut(uint64_t bytes) {
    auto child = Child::Spawn(OutputCommand(bytes));
    if (!child.ok()) {
      Finish(ToGrpc(child.status()));
      return;
    }
    child_.emplace(*std::move(child));
    output_ = message_.add_events()->mutable_output();
    output_->set_stream(v1::OUTPUT_STREAM_STDOUT);
    WriteNext();
  }

  void OnWriteDone(bool ok) override {
    if (ok) {
      WriteNext();
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }

  void OnDone() override { delete this; }

 private:
  void WriteNext() {
    std::string& data = *output_->mutable_data();
    data.resize(kMessageBytes);
    const ssize_t got = read(child_->out(), data.data(), data.size());
    if (got <= 0) {
      Finish(ToGrpc(child_->Finish().status()));
      return;
    }
    data.resize(static_cast<size_t>(got));
    output_->set_position(position_);
    position_ += static_cast<uint64_t>(got);
    StartWrite(&message_);
  }

  std::optional<Child> child_;
  v1::ExecResponse message_;
  v1::Output* output_ = nullptr;
  uint64_t position_ = 0;
};

// Gives a command its input: take a message, write it to the pipe, again.
class StreamIn : public grpc::ServerReadReactor<v1::ExecRequest> {
 public:
  explicit StreamIn(StreamInResponse* response) : response_(response) {
    auto child = Child::Spawn(InputCommand(), /*input=*/true);
    if (!child.ok()) {
      Finish(ToGrpc(child.status()));
      return;
    }
    child_.emplace(*std::move(child));
    StartRead(&message_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      End();
      return;
    }
    const std::string& data = message_.input().data();
    if (absl::Status status = WriteAll(child_->in(), data); !status.ok()) {
      Finish(ToGrpc(status));
      return;
    }
    bytes_ += data.size();
    StartRead(&message_);
  }

  void OnDone() override { delete this; }

 private:
  void End() {
    auto printed = child_->Finish();
    const absl::Status status = printed.ok() ? CheckCount(*printed, bytes_) : printed.status();
    response_->set_bytes(bytes_);
    Finish(ToGrpc(status));
  }

  StreamInResponse* const response_;
  std::optional<Child> child_;
  v1::ExecRequest message_;
  uint64_t bytes_ = 0;
};

class Floors : public FloorService::CallbackService {
  grpc::ServerUnaryReactor* Nothing(grpc::CallbackServerContext* context,
                                    const NothingRequest* /*request*/,
                                    NothingResponse* /*response*/) override {
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerWriteReactor<v1::ExecResponse>* StreamOut(grpc::CallbackServerContext* /*context*/,
                                                        const StreamOutRequest* request) override {
    return new bench::StreamOut(request->bytes());
  }

  grpc::ServerReadReactor<v1::ExecRequest>* StreamIn(grpc::CallbackServerContext* /*context*/,
                                                     StreamInResponse* response) override {
    return new bench::StreamIn(response);
  }
};

}  // namespace

int ServeFloors(const std::string& path, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) return 1;  // it is gone already
  signal(SIGPIPE, SIG_IGN);
  Floors floors;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + path, grpc::InsecureServerCredentials());
  builder.RegisterService(&floors);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::cerr << "nacre-bench: no server on " << path << "\n";
    return 1;
  }
  server->Wait();
  return 0;
}

absl::StatusOr<std::unique_ptr<FloorServer>> FloorServer::Start() {
  auto directory = ScratchDirectory::Make();
  if (!directory.ok()) return directory.status();
  std::unique_ptr<FloorServer> server(new FloorServer(*std::move(directory)));
  const std::string path = server->socket();
  const std::string parent = absl::StrCat(getpid());
  const char* const argv[] = {"nacre-bench", kFlag, path.c_str(), parent.c_str(), nullptr};
  const int error = posix_spawn(&server->pid_, "/proc/self/exe", nullptr, nullptr,
                                const_cast<char* const*>(argv), environ);
  if (error == 0) return server;
  server->pid_ = -1;
  return absl::ErrnoToStatus(error, "posix_spawn");
}

FloorServer::~FloorServer() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

}  // namespace nacre::bench
