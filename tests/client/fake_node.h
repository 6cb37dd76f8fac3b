// A node in this process, whose every word is scripted by the test.
#ifndef NACRE_TESTS_CLIENT_FAKE_NODE_H_
#define NACRE_TESTS_CLIENT_FAKE_NODE_H_

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "nacre/v1/node.pb.h"
#include "nacre/v1/shell.grpc.pb.h"

namespace nacre::client {

// A directory of its own, gone at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Hands values from one thread to another. Thread-safe.
template <typename T>
class Mailbox {
 public:
  void Put(T value) {
    const std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
    changed_.notify_all();
  }

  T Take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !values_.empty(); });
    T value = std::move(values_.front());
    values_.pop_front();
    return value;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> values_;
};

using ExecStream = grpc::ServerReaderWriter<v1::ExecResponse, v1::ExecRequest>;
// What the node does with one Exec; its `start` was read.
using ExecScript = std::function<grpc::Status(const v1::Start& start, ExecStream& stream)>;
using AttachStream = grpc::ServerReaderWriter<v1::AttachResponse, v1::AttachRequest>;
// What the node does with one Attach; its `attach` was read.
using AttachScript = std::function<grpc::Status(const v1::Attach& attach, AttachStream& stream)>;
template <typename Request, typename Response>
using UnaryScript = std::function<grpc::Status(const Request&, Response*)>;
using RunScript = UnaryScript<v1::RunRequest, v1::RunResponse>;

// What is not scripted is UNIMPLEMENTED.
struct Scripts {
  ExecScript exec;
  RunScript run;
  AttachScript attach;
  UnaryScript<v1::StartSessionRequest, v1::StartSessionResponse> start_session;
  UnaryScript<v1::GetSessionRequest, v1::GetSessionResponse> get_session;
  UnaryScript<v1::ListSessionsRequest, v1::ListSessionsResponse> list_sessions;
  UnaryScript<v1::WaitSessionRequest, v1::WaitSessionResponse> wait_session;
  UnaryScript<v1::EndSessionRequest, v1::EndSessionResponse> end_session;
  UnaryScript<v1::SignalSessionRequest, v1::SignalSessionResponse> signal_session;
  UnaryScript<v1::DeleteSessionRequest, v1::DeleteSessionResponse> delete_session;
  // Without these two there is no NodeService, as on an older node.
  UnaryScript<v1::GetNodeRequest, v1::GetNodeResponse> get_node;
  UnaryScript<v1::DrainRequest, v1::DrainResponse> drain;
};

// Serves on a Unix socket until destroyed.
class FakeNode {
 public:
  explicit FakeNode(Scripts scripts);
  explicit FakeNode(ExecScript exec, RunScript run = {});
  ~FakeNode();
  FakeNode(const FakeNode&) = delete;
  FakeNode& operator=(const FakeNode&) = delete;

  std::string target() const { return "unix:" + directory_.path() + "/s"; }
  void SetServing(bool serving);
  // Cuts every connection at once.
  void Vanish();
  // Serves again after Vanish().
  void Return();

 private:
  class Service;
  class NodeService;
  TemporaryDirectory directory_;
  std::unique_ptr<NodeService> node_service_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
};

// One event each, ready to be written.
v1::ExecResponse StartedEvent(uint32_t input_window = 0);
v1::ExecResponse AttachedEvent(uint64_t next_position, uint64_t input_offset = 0,
                               uint32_t input_window = 0);
v1::ExecResponse GapEvent(uint64_t from, uint64_t to);
v1::ExecResponse OutputEvent(uint64_t position, std::string_view data,
                             v1::OutputStream stream = v1::OUTPUT_STREAM_STDOUT);
v1::ExecResponse InputAckEvent(uint64_t offset);
// An exit whose streams carried `out` and `err`.
v1::ExecResponse ExitEvent(int code, std::string_view out = "", std::string_view err = "");
// A death by signal, likewise.
v1::ExecResponse SignalDeathEvent(int number, const std::string& name, v1::Cause cause,
                                  std::string_view out = "", std::string_view err = "");

// The same for an Attach.
v1::AttachResponse ForAttach(v1::ExecResponse response);

v1::StreamSummary Summarize(v1::OutputStream stream, std::string_view bytes);

// An error as nodes send it, with an ErrorInfo.
grpc::Status ErrorWithReason(grpc::StatusCode code, const std::string& message,
                             const std::string& reason,
                             const std::map<std::string, std::string>& metadata = {});
// As of a connection that was lost, and of a front that goes.
grpc::Status ConnectionLost();
grpc::Status FrontRestarting();

}  // namespace nacre::client

#endif  // NACRE_TESTS_CLIENT_FAKE_NODE_H_
