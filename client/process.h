// One Exec call.
//
//   thread in Next()     : Read ─▶ events_ ─▶ caller;  writes acks, opens and fills input_
//   thread in WriteInput : waits in input_, then writes
//   any thread           : Signal, Cancel write; Abandon cancels the call
//
// Reads belong to Next(); writes are serialized by write_mutex_ and never wait for the node to make
// room (input_window.h), so whoever holds it lets go soon.
#ifndef NACRE_CLIENT_PROCESS_H_
#define NACRE_CLIENT_PROCESS_H_

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/input_window.h"
#include "client/output_ledger.h"
#include "client/target.h"
#include "nacre/client.h"
#include "nacre/v1/shell.grpc.pb.h"

namespace nacre::client {

class Process::Impl {
 public:
  Impl(std::shared_ptr<grpc::Channel> channel, Target target, v1::Start start);
  ~Impl();

  absl::StatusOr<Event> Next();
  absl::Status WriteInput(std::string_view data);
  absl::Status CloseInput();
  absl::Status Signal(int number);
  absl::Status Cancel();
  void Abandon();

 private:
  bool SendStart();
  absl::StatusOr<std::optional<Event>> Handle(const v1::SessionEvent& event);
  absl::StatusOr<std::optional<Event>> HandleStarted(const v1::Started& started);
  absl::StatusOr<std::optional<Event>> HandleOutput(const v1::Output& output);
  absl::StatusOr<std::optional<Event>> HandleTerminated(const v1::Terminated& terminated);
  void AcknowledgeOutput();
  absl::Status Write(const v1::ExecRequest& request);
  absl::Status EndOfStream();
  absl::Status Fail(absl::Status status);
  void MarkEnded(absl::Status reason);

  // Constant after construction.
  const std::shared_ptr<grpc::Channel> channel_;
  const Target target_;
  const bool has_input_;

  // Next()'s thread only.
  v1::ExecRequest start_;
  v1::ExecResponse response_;
  int next_event_ = 0;
  OutputLedger ledger_;
  uint64_t acknowledged_ = 0;
  int outputs_taken_ = 0;  // Since the last acknowledgement.
  bool started_ = false;

  // Any thread.
  InputWindow input_;
  std::atomic<bool> start_sent_ = false;
  std::atomic<bool> ended_ = false;
  std::mutex input_mutex_;        // Keeps the bytes of one WriteInput() together.
  std::timed_mutex write_mutex_;  // Guards stream_->Write.
  grpc::ClientContext context_;
  std::unique_ptr<v1::ShellService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ExecRequest, v1::ExecResponse>> stream_;
};

}  // namespace nacre::client

#endif  // NACRE_CLIENT_PROCESS_H_
