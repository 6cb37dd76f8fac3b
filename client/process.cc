#include "client/process.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/connect_error.h"
#include "client/status.h"
#include "client/termination.h"

namespace nacre::client {
namespace {

// Output taken before the node hears of it. Half of its smallest ring (256 KiB): the command writes
// into one half while the acknowledgement of the other is on its way.
constexpr uint64_t kAckBytes = 128 << 10;
// Likewise in pieces: the node keeps the order of so many more pieces of its two streams.
constexpr int kAckOutputs = 1000;
// How long a start that is being sent may take; beyond, it is waiting for a connection.
constexpr auto kSendingTime = std::chrono::milliseconds(200);

absl::Status Ended() { return absl::FailedPreconditionError("the command has ended"); }

}  // namespace

Process::Impl::Impl(std::shared_ptr<grpc::Channel> channel, Target target, v1::Start start)
    : channel_(std::move(channel)),
      target_(std::move(target)),
      has_input_(start.command().input() == v1::INPUT_MODE_STREAM),
      stub_(v1::ShellService::NewStub(channel_)) {
  *start_.mutable_start() = std::move(start);
  if (!has_input_) {
    input_.Close(absl::FailedPreconditionError("the command was started without input"));
  }
}

Process::Impl::~Impl() { context_.TryCancel(); }

absl::StatusOr<Event> Process::Impl::Next() {
  if (ended_) return Ended();
  if (stream_ == nullptr && !SendStart()) return Fail(EndOfStream());
  AcknowledgeOutput();
  for (;;) {
    while (next_event_ < response_.events_size()) {
      auto event = Handle(response_.events(next_event_++));
      if (!event.ok()) return Fail(event.status());
      if (event->has_value()) return **std::move(event);
    }
    next_event_ = 0;
    if (!stream_->Read(&response_)) return Fail(EndOfStream());
  }
}

bool Process::Impl::SendStart() {
  const std::lock_guard lock(write_mutex_);
  // The call's headers leave together with the start, and the constructor doesn't wait for them.
  context_.set_initial_metadata_corked(true);
  stream_ = stub_->Exec(&context_);
  start_sent_ = stream_->Write(start_);
  start_.Clear();
  return start_sent_;
}

absl::StatusOr<std::optional<Event>> Process::Impl::Handle(const v1::SessionEvent& event) {
  if (!started_ && !event.has_started()) {
    return absl::InternalError("the node's first event is not \"started\"");
  }
  switch (event.event_case()) {
    case v1::SessionEvent::kStarted:
      return HandleStarted(event.started());
    case v1::SessionEvent::kOutput:
      return HandleOutput(event.output());
    case v1::SessionEvent::kTerminated:
      return HandleTerminated(event.terminated());
    case v1::SessionEvent::kInputAck:
      if (absl::Status s = input_.Acknowledge(event.input_ack().offset()); !s.ok()) return s;
      return std::nullopt;
    case v1::SessionEvent::kGap:
      return absl::DataLossError(absl::StrCat("output was lost: the node skipped positions ",
                                              event.gap().from(), " to ", event.gap().to()));
    default:  // Keepalive, and what a newer node may tell those who ask for it.
      return std::nullopt;
  }
}

absl::StatusOr<std::optional<Event>> Process::Impl::HandleStarted(const v1::Started& started) {
  if (started_) return absl::InternalError("the node sent a second \"started\"");
  started_ = true;
  ledger_.StartAt(started.next_position());
  acknowledged_ = started.next_position();
  input_.Open(started.input_offset(), started.input_window());
  return Started{.session_id = started.session().id(),
                 .owner = started.session().owner(),
                 .start_time = FromWire(started.session().start_time())};
}

absl::StatusOr<std::optional<Event>> Process::Impl::HandleOutput(const v1::Output& output) {
  const OutputStream stream =
      output.stream() == v1::OUTPUT_STREAM_STDERR ? OutputStream::kStderr : OutputStream::kStdout;
  if (absl::Status s = ledger_.Enter(stream, output.position(), output.data()); !s.ok()) return s;
  return Output{.stream = stream, .position = output.position(), .data = output.data()};
}

absl::StatusOr<std::optional<Event>> Process::Impl::HandleTerminated(
    const v1::Terminated& terminated) {
  Terminated event{.termination = FromWire(terminated.termination())};
  if (absl::Status s = ledger_.Prove(event.termination.streams); !s.ok()) return s;
  MarkEnded(Ended());
  // The record is here; a status that fails to follow it changes nothing.
  while (stream_->Read(&response_)) {
  }
  (void)stream_->Finish();
  return event;
}

// The caller came back, so it has taken all that was entered in the ledger.
void Process::Impl::AcknowledgeOutput() {
  const uint64_t taken = ledger_.position() - acknowledged_;
  if (taken == 0 || (taken < kAckBytes && ++outputs_taken_ < kAckOutputs)) return;
  acknowledged_ = ledger_.position();
  outputs_taken_ = 0;
  v1::ExecRequest request;
  request.mutable_ack()->set_position(acknowledged_);
  (void)Write(request);  // If it fails, so does the next read, and that one knows why.
}

absl::Status Process::Impl::Write(const v1::ExecRequest& request) {
  const std::lock_guard lock(write_mutex_);
  if (ended_) return Ended();
  if (!start_sent_) return absl::FailedPreconditionError("the command was not sent yet");
  if (!stream_->Write(request)) {
    return absl::UnavailableError(
        absl::StrCat("the connection to ", target_.ToString(), " is lost"));
  }
  return absl::OkStatus();
}

// Why the stream ended before its last event.
absl::Status Process::Impl::EndOfStream() {
  const grpc::Status finished = stream_->Finish();
  absl::Status status = FromGrpc(finished);
  if (status.ok()) return absl::InternalError("the node ended the stream without a termination");
  if (!absl::IsUnavailable(status) || !ErrorReason(status).empty()) return status;
  if (!started_) return ExplainNoConnection(target_, finished.error_message());
  return absl::UnavailableError(
      absl::StrCat("lost the connection to ", target_.ToString(), ": ", finished.error_message()));
}

absl::Status Process::Impl::Fail(absl::Status status) {
  context_.TryCancel();
  MarkEnded(status);
  return status;
}

void Process::Impl::MarkEnded(absl::Status reason) {
  ended_ = true;
  input_.Close(std::move(reason));
}

absl::Status Process::Impl::WriteInput(std::string_view data) {
  const std::lock_guard lock(input_mutex_);
  while (!data.empty()) {
    const auto grant = input_.Reserve(data.size());
    if (!grant.ok()) return grant.status();
    v1::ExecRequest request;
    request.mutable_input()->set_offset(grant->offset);
    request.mutable_input()->set_data(data.data(), grant->bytes);
    if (absl::Status status = Write(request); !status.ok()) return status;
    data.remove_prefix(grant->bytes);
  }
  return absl::OkStatus();
}

absl::Status Process::Impl::CloseInput() {
  const std::lock_guard lock(input_mutex_);
  const auto grant = input_.Reserve(0);
  if (!grant.ok()) return grant.status();
  v1::ExecRequest request;
  request.mutable_input()->set_offset(grant->offset);
  request.mutable_input()->set_eof(true);
  input_.Close(absl::FailedPreconditionError("the input was closed"));
  return Write(request);
}

absl::Status Process::Impl::Signal(int number) {
  v1::ExecRequest request;
  request.mutable_signal()->set_number(static_cast<uint32_t>(number));
  return Write(request);
}

absl::Status Process::Impl::Cancel() {
  if (ended_) return Ended();
  if (!start_sent_) {
    // Next() holds the mutex: for a moment while it sends, for long while it waits for a
    // connection.
    const std::unique_lock sent(write_mutex_, kSendingTime);
    if (!start_sent_) {
      context_.TryCancel();
      return absl::OkStatus();
    }
  }
  v1::ExecRequest request;
  request.mutable_cancel();
  return Write(request);
}

void Process::Impl::Abandon() { context_.TryCancel(); }

Process::Process(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Process::~Process() = default;
absl::StatusOr<Event> Process::Next() { return impl_->Next(); }
absl::Status Process::WriteInput(std::string_view data) { return impl_->WriteInput(data); }
absl::Status Process::CloseInput() { return impl_->CloseInput(); }
absl::Status Process::Signal(int number) { return impl_->Signal(number); }
absl::Status Process::Cancel() { return impl_->Cancel(); }
void Process::Abandon() { impl_->Abandon(); }

}  // namespace nacre::client
