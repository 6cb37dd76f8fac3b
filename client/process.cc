#include "client/process.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/command.h"
#include "client/status.h"
#include "client/termination.h"

namespace nacre::client {
namespace {

// Output taken before the node hears of it. A quarter of its smallest ring (512 KiB): the command
// writes on while the acknowledgement is on its way.
constexpr uint64_t kAckBytes = 128 << 10;
// Likewise in pieces: the node keeps the order of so many more pieces of its two streams.
constexpr int kAckOutputs = 1000;
// How long a start that is being sent may take; beyond, it is waiting for a connection.
constexpr auto kSendingTime = std::chrono::milliseconds(200);
// Signals that wait for the connection to come back.
constexpr size_t kWaitingSignals = 16;

absl::Status Ended() { return absl::FailedPreconditionError("the command has ended"); }

bool Drives(const Opening& opening) {
  const auto* attach = std::get_if<v1::Attach>(&opening);
  return attach == nullptr || attach->drive();
}

bool WritesInput(const Opening& opening) {
  if (const auto* attach = std::get_if<v1::Attach>(&opening)) return attach->input();
  return std::get<v1::Start>(opening).command().input() == v1::INPUT_MODE_STREAM;
}

}  // namespace

Process::Impl::Impl(std::shared_ptr<grpc::Channel> channel, Target target, Opening opening,
                    absl::Duration resume_for)
    : channel_(std::move(channel)),
      target_(std::move(target)),
      resume_for_(resume_for),
      drives_(Drives(opening)),
      writes_input_(WritesInput(opening)),
      opening_(std::move(opening)) {
  if (!writes_input_) {
    input_.Close(absl::FailedPreconditionError("this process does not write the command's input"));
  }
}

Process::Impl::~Impl() { Abandon(); }

absl::StatusOr<Event> Process::Impl::Next() {
  if (ended_) return Ended();
  auto event = Advance();
  if (!event.ok()) return Fail(event.status());
  return event;
}

absl::StatusOr<Event> Process::Impl::Advance() {
  if (abandoned_) return absl::CancelledError("the call was abandoned");
  if (pending_.has_value()) return *std::exchange(pending_, std::nullopt);
  if (stream_ == nullptr && !OpenFirst()) {
    if (absl::Status status = ExplainUnsent(EndOfStream()); !status.ok()) return status;
  }
  taken_ = ledger_.position();  // The caller came back.
  if (loss_.has_value()) return Resume();
  AcknowledgeOutput();
  for (;;) {
    while (next_event_ < stream_->events().size()) {
      auto event = Handle(stream_->events()[next_event_++]);
      if (!event.ok()) return event.status();
      if (event->has_value()) return **std::move(event);
    }
    next_event_ = 0;
    if (stream_->Read()) continue;
    absl::Status status = EndOfStream();
    if (status.ok()) {
      const std::lock_guard lock(write_mutex_);
      if (!detached_) {
        return absl::InternalError("the node ended the stream without a termination");
      }
      MarkEnded(Ended());
      return Detached{};
    }
    if (!IsConnectionLoss(status)) return status;
    Lose(std::move(status));
    return Resume();
  }
}

absl::StatusOr<std::optional<Event>> Process::Impl::Handle(const v1::SessionEvent& event) {
  if (first_event_seen_ == (event.has_started() || event.has_attached())) {
    return absl::InternalError(
        "the node's first event, and only that, must be \"started\" or "
        "\"attached\"");
  }
  first_event_seen_ = true;
  switch (event.event_case()) {
    case v1::SessionEvent::kStarted:
      return HandleOpened(event.started(), /*existed=*/false);
    case v1::SessionEvent::kAttached:
      return HandleOpened(event.attached(), /*existed=*/true);
    case v1::SessionEvent::kOutput:
      return HandleOutput(event.output());
    case v1::SessionEvent::kGap:
      return HandleGap(event.gap());
    case v1::SessionEvent::kTerminated:
      return HandleTerminated(event.terminated());
    case v1::SessionEvent::kInputAck:
      if (absl::Status s = input_.Acknowledge(event.input_ack().offset()); !s.ok()) return s;
      PumpInput();
      return std::nullopt;
    case v1::SessionEvent::kInputTaken:
      input_taken_ = true;
      input_.Close(absl::FailedPreconditionError("another caller writes the input now"));
      return TakenOver{.input = true};
    case v1::SessionEvent::kDriveTaken:
      drives_ = false;
      return TakenOver{.drive = true};
    default:  // Keepalive, and what a newer node may tell those who ask for it.
      return std::nullopt;
  }
}

// What `started` and `attached` have in common: the session goes on here.
template <typename Opened>
absl::StatusOr<std::optional<Event>> Process::Impl::HandleOpened(const Opened& opened,
                                                                 bool existed) {
  const bool reopened = !session_id_.empty();
  if (opened.session().id().empty()) return absl::InternalError("the node names no session");
  opened_at_ = Clock::now();
  if (!reopened) {
    session_id_ = opened.session().id();
    ledger_.StartAt(opened.next_position());
    v1::Attach attach;
    attach.set_session_id(session_id_);
    attach.set_drive(drives_);
    attach.set_will_ack(drives_);
    opening_ = std::move(attach);
  }
  acknowledged_ = opened.next_position();
  if (opened.session().state() == v1::SESSION_STATE_ENDED) input_.Close(Ended());
  if (absl::Status s = input_.Open(opened.input_offset(), opened.input_window()); !s.ok()) return s;
  GoOnline();
  PumpInput();
  if (reopened) return HandleReopened(opened.next_position());
  return Started{.session_id = session_id_,
                 .owner = opened.session().owner(),
                 .start_time = FromWire(opened.session().start_time()),
                 .position = opened.next_position(),
                 .has_terminal = opened.session().has_terminal(),
                 .existed = existed};
}

absl::StatusOr<std::optional<Event>> Process::Impl::HandleReopened(uint64_t next_position) {
  if (next_position == ledger_.position()) return std::nullopt;
  v1::Gap gap;
  gap.set_from(ledger_.position());
  gap.set_to(next_position);
  return HandleGap(gap);
}

absl::StatusOr<std::optional<Event>> Process::Impl::HandleOutput(const v1::Output& output) {
  const OutputStream stream =
      output.stream() == v1::OUTPUT_STREAM_STDERR ? OutputStream::kStderr : OutputStream::kStdout;
  if (absl::Status s = ledger_.Enter(stream, output.position(), output.data()); !s.ok()) return s;
  return Output{.stream = stream, .position = output.position(), .data = output.data()};
}

absl::StatusOr<std::optional<Event>> Process::Impl::HandleGap(const v1::Gap& gap) {
  if (drives_) {
    return absl::DataLossError(
        absl::StrCat("output was lost: the node skipped positions ", gap.from(), " to ", gap.to()));
  }
  if (absl::Status s = ledger_.Skip(gap.from(), gap.to()); !s.ok()) return s;
  return Gap{.from = gap.from(), .to = gap.to()};
}

absl::StatusOr<std::optional<Event>> Process::Impl::HandleTerminated(
    const v1::Terminated& terminated) {
  Terminated event{.termination = FromWire(terminated.termination())};
  if (absl::Status s = ledger_.Prove(event.termination.streams); !s.ok()) return s;
  MarkEnded(Ended());
  // The record is here; a status that fails to follow it changes nothing.
  while (stream_->Read()) {
  }
  (void)stream_->Finish();
  return event;
}

// The caller came back, so it has taken all that was entered in the ledger.
void Process::Impl::AcknowledgeOutput() {
  if (!drives_) return;
  const uint64_t taken = ledger_.position() - acknowledged_;
  if (taken == 0 || (taken < kAckBytes && ++outputs_taken_ < kAckOutputs)) return;
  acknowledged_ = ledger_.position();
  outputs_taken_ = 0;
  v1::AttachRequest request;
  request.mutable_ack()->set_position(acknowledged_);
  const std::lock_guard lock(write_mutex_);
  stream_->Write(std::move(request));  // If it fails, so does the next read: that one knows why.
}

absl::Status Process::Impl::Fail(absl::Status status) {
  if (stream_ != nullptr) stream_->Cancel();
  MarkEnded(status);
  return status;
}

void Process::Impl::MarkEnded(absl::Status reason) {
  ended_ = true;
  input_.Close(std::move(reason));
}

// The stream takes writes: first those that waited for it.
void Process::Impl::GoOnline() {
  const std::lock_guard lock(write_mutex_);
  online_ = true;
  for (v1::Signal& signal : waiting_signals_) {
    v1::AttachRequest request;
    *request.mutable_signal() = std::move(signal);
    stream_->Write(std::move(request));
  }
  waiting_signals_.clear();
  if (size_.has_value()) SaySize();
  if (cancelled_) {
    v1::AttachRequest request;
    request.mutable_cancel();
    stream_->Write(std::move(request));
  }
  if (detached_) SayDetach();
}

// Sends what input may be sent. What doesn't get through is sent again on the next stream.
void Process::Impl::PumpInput() {
  const std::lock_guard lock(write_mutex_);
  while (online_) {
    auto input = input_.Take();
    if (!input.has_value()) return;
    v1::AttachRequest request;
    *request.mutable_input() = *std::move(input);
    stream_->Write(std::move(request));
  }
}

absl::Status Process::Impl::WriteInput(std::string_view data) {
  const std::lock_guard lock(input_mutex_);
  while (!data.empty()) {
    const auto added = input_.Add(data);
    if (!added.ok()) return added.status();
    data.remove_prefix(*added);
    PumpInput();
  }
  return absl::OkStatus();
}

absl::Status Process::Impl::CloseInput() {
  const std::lock_guard lock(input_mutex_);
  if (absl::Status status = input_.AddEof(); !status.ok()) return status;
  PumpInput();
  return absl::OkStatus();
}

absl::Status Process::Impl::CheckSent() const {
  if (ended_) return Ended();
  if (!start_sent_) return absl::FailedPreconditionError("the command was not sent yet");
  return absl::OkStatus();
}

absl::Status Process::Impl::Signal(int number, KillScope scope) {
  if (!MayAct()) return absl::FailedPreconditionError("a viewer sends no signals");
  const std::lock_guard lock(write_mutex_);
  if (absl::Status status = CheckSent(); !status.ok()) return status;
  v1::Signal signal;
  signal.set_number(static_cast<uint32_t>(number));
  signal.set_scope(ToWire(scope));
  if (!online_) {
    if (waiting_signals_.size() == kWaitingSignals) {
      return absl::UnavailableError("too many signals wait for the lost connection to come back");
    }
    waiting_signals_.push_back(std::move(signal));
    return absl::OkStatus();
  }
  v1::AttachRequest request;
  *request.mutable_signal() = std::move(signal);
  if (stream_->Write(std::move(request))) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("the connection to ", target_.ToString(), " was lost under the signal"));
}

absl::Status Process::Impl::Resize(uint32_t rows, uint32_t columns) {
  if (!MayAct()) return absl::FailedPreconditionError("a viewer resizes nothing");
  const std::lock_guard lock(write_mutex_);
  if (absl::Status status = CheckSent(); !status.ok()) return status;
  size_.emplace();
  size_->set_rows(rows);
  size_->set_columns(columns);
  if (online_) SaySize();
  return absl::OkStatus();
}

// What does not get through is said again on the next stream.
void Process::Impl::SaySize() {
  v1::AttachRequest request;
  *request.mutable_resize() = *size_;
  stream_->Write(std::move(request));
}

absl::Status Process::Impl::Cancel() {
  if (ended_) return Ended();
  if (!MayAct()) return absl::FailedPreconditionError("a viewer ends nothing");
  if (!start_sent_) {
    // Next() holds the mutex: for a moment while it sends, for long while it waits for a
    // connection.
    const std::unique_lock sent(write_mutex_, kSendingTime);
    if (!start_sent_) {
      Abandon();
      return absl::OkStatus();
    }
  }
  const std::lock_guard lock(write_mutex_);
  cancelled_ = true;
  if (!online_) return absl::OkStatus();
  v1::AttachRequest request;
  request.mutable_cancel();
  stream_->Write(std::move(request));  // If the stream is lost, the next one hears it.
  return absl::OkStatus();
}

absl::Status Process::Impl::Detach() {
  const std::lock_guard lock(write_mutex_);
  if (absl::Status status = CheckSent(); !status.ok()) return status;
  detached_ = true;
  if (online_) SayDetach();
  return absl::OkStatus();
}

// What the caller has taken, the next driver doesn't get again.
void Process::Impl::SayDetach() {
  if (drives_) {
    v1::AttachRequest ack;
    ack.mutable_ack()->set_position(taken_);
    stream_->Write(std::move(ack));
  }
  v1::AttachRequest detach;
  detach.mutable_detach();
  stream_->Write(std::move(detach));
}

Process::Process(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Process::~Process() = default;
absl::StatusOr<Event> Process::Next() { return impl_->Next(); }
absl::Status Process::WriteInput(std::string_view data) { return impl_->WriteInput(data); }
absl::Status Process::CloseInput() { return impl_->CloseInput(); }
absl::Status Process::Signal(int number, KillScope scope) { return impl_->Signal(number, scope); }
absl::Status Process::Resize(uint32_t rows, uint32_t columns) {
  return impl_->Resize(rows, columns);
}
absl::Status Process::Cancel() { return impl_->Cancel(); }
absl::Status Process::Detach() { return impl_->Detach(); }
void Process::Abandon() { impl_->Abandon(); }

}  // namespace nacre::client
