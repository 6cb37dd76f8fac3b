#include "server/exec_reactor.h"

#include <grpcpp/server_context.h>

#include <algorithm>
#include <asio/post.hpp>
#include <chrono>

#include "absl/strings/str_format.h"
#include "executor/errors.h"
#include "server/status.h"
#include "server/translate.h"

namespace nacre {
namespace {

// Output in one message: enough that the cost of a message does not count.
constexpr size_t kMessageBytes = 256 * 1024;
// How long `started` waits for output or the end to travel with.
constexpr auto kStartedHold = std::chrono::milliseconds(1);
// A half-close is told from a lost connection by the cancellation that follows a loss at once, but
// through other threads: long enough for a busy machine. (`Input.eof` needs no such wait.)
constexpr auto kHalfCloseWait = std::chrono::milliseconds(100);
constexpr uint64_t kInputAckStep = 64 * 1024;
constexpr size_t kMaxInput = 1024 * 1024;

}  // namespace

ExecReactor::ExecReactor(asio::io_context& loop, Executor& executor,
                         grpc::CallbackServerContext& context, Identity identity)
    : loop_(loop),
      executor_(executor),
      context_(context),
      identity_(std::move(identity)),
      hold_timer_(loop),
      half_close_timer_(loop) {
  StartRead(&request_);
}

// --- gRPC's threads -----------------------------------------------------------------------------

void ExecReactor::OnReadDone(bool ok) {
  asio::post(loop_, [this, ok] { HandleRead(ok); });
}

void ExecReactor::OnWriteDone(bool ok) {
  asio::post(loop_, [this, ok] { HandleWrite(ok); });
}

void ExecReactor::OnCancel() {
  asio::post(loop_, [this] { HandleCancel(); });
}

void ExecReactor::OnDone() {
  asio::post(loop_, [this] { delete this; });
}

// --- the client's messages ----------------------------------------------------------------------

void ExecReactor::HandleRead(bool ok) {
  if (finished_) return;
  if (!ok) {
    HandleHalfClose();
    return;
  }
  if (absl::Status status = HandleRequest(); !status.ok()) {
    Reject(status);
    return;
  }
  // What follows a start is read once the command runs, so that no signal or input comes too early.
  if (running_ && !pending_input_.has_value()) ReadNext();
}

void ExecReactor::ReadNext() {
  request_.Clear();
  StartRead(&request_);
}

absl::Status ExecReactor::HandleRequest() {
  const auto kind = request_.request_case();
  if (kind == v1::ExecRequest::REQUEST_NOT_SET) {
    return InvalidField("request", "is empty, or of a kind that this node does not know");
  }
  if ((kind == v1::ExecRequest::kStart) == (session_ != nullptr)) {
    return InvalidField("start",
                        session_ != nullptr ? "came a second time" : "must be the first request");
  }
  switch (kind) {
    case v1::ExecRequest::kStart:
      return HandleStart(request_.start());
    case v1::ExecRequest::kInput:
      return HandleInput(std::move(*request_.mutable_input()));
    case v1::ExecRequest::kSignal:
      return HandleSignal(request_.signal());
    case v1::ExecRequest::kAck:
      return HandleAck(request_.ack());
    case v1::ExecRequest::kCancel:
      session_->Cancel(identity_);
      return absl::OkStatus();
    case v1::ExecRequest::kResize:
      return NotServed("resize");
    default:
      return NotServed("detach");
  }
}

absl::Status ExecReactor::HandleStart(const v1::Start& start) {
  auto spec = ToCommandSpec(start);
  if (!spec.ok()) return spec.status();
  auto session = executor_.Start(identity_, *spec, this);
  if (!session.ok()) return session.status();
  session_ = *std::move(session);
  request_ = v1::ExecRequest();  // a big start is not kept
  return absl::OkStatus();
}

absl::Status ExecReactor::HandleInput(v1::Input input) {
  if (input.data().size() > kMaxInput) {
    return InvalidField("input.data", absl::StrFormat("exceeds %d bytes", kMaxInput));
  }
  pending_input_ =
      PendingInput{.offset = input.has_offset() ? input.offset() : session_->input_offset(),
                   .data = std::move(*input.mutable_data()),
                   .eof = input.eof()};
  session_->ObserveInput();
  if (absl::Status status = FlushInput(); !status.ok()) return status;
  Pump();
  return absl::OkStatus();
}

// Gives the session as much input as it has room for.
absl::Status ExecReactor::FlushInput() {
  PendingInput& pending = *pending_input_;
  auto taken = session_->WriteInput(pending.offset, pending.data);
  if (!taken.ok()) return taken.status();
  pending.offset += *taken;
  pending.data.erase(0, *taken);
  if (!pending.data.empty()) return absl::OkStatus();
  if (pending.eof) session_->CloseInput();
  pending_input_.reset();
  return absl::OkStatus();
}

absl::Status ExecReactor::HandleSignal(const v1::Signal& signal) {
  if (signal.number() < 1 || signal.number() > 64) {
    return InvalidField("signal.number", "is not between 1 and 64");
  }
  if (absl::Status status = CheckKillScope(signal.scope(), "signal.scope"); !status.ok()) {
    return status;
  }
  session_->Signal(signal.number());
  return absl::OkStatus();
}

absl::Status ExecReactor::HandleAck(const v1::Ack& ack) {
  if (ack.position() > sent_) return InvalidField("ack.position", "is beyond what was sent");
  acks_ = true;
  session_->Release(ack.position());
  Pump();
  return absl::OkStatus();
}

void ExecReactor::HandleHalfClose() {
  if (session_ == nullptr) {
    Reject(InvalidField("start", "the stream ended before it"));
    return;
  }
  half_close_timer_.expires_after(kHalfCloseWait);
  half_close_timer_.async_wait([this](std::error_code error) {
    if (!error && !finished_ && !context_.IsCancelled()) session_->CloseInput();
  });
}

// Every way to the end of the RPC comes through here: no timer outlives it.
void ExecReactor::MarkFinished() {
  finished_ = true;
  hold_timer_.cancel();
  half_close_timer_.cancel();
}

void ExecReactor::HandleCancel() {
  if (finished_) return;
  MarkFinished();
  if (session_ != nullptr) session_->Abandon();
  Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the call was cancelled"));
}

void ExecReactor::Reject(const absl::Status& status) {
  MarkFinished();
  if (session_ != nullptr) session_->Drop();
  Finish(ToGrpcStatus(status));
}

// --- the session's progress ---------------------------------------------------------------------

void ExecReactor::OnStarted() {
  running_ = true;
  ReadNext();
  // Without input the keeper has held the news already.
  hold_timer_.expires_after(session_->takes_input() ? kStartedHold : std::chrono::milliseconds(0));
  hold_timer_.async_wait([this](std::error_code error) {
    if (!error && !finished_ && !started_sent_) Pump();
  });
}

void ExecReactor::OnStartFailed(const absl::Status& status) {
  MarkFinished();
  session_.reset();
  Finish(ToGrpcStatus(status));
}

void ExecReactor::OnProgress() {
  session_->ObserveInput();
  if (pending_input_.has_value()) {
    if (absl::Status status = FlushInput(); !status.ok()) {
      Reject(status);
      return;
    }
    if (!pending_input_.has_value()) ReadNext();
  }
  Pump();
}

void ExecReactor::HandleWrite(bool ok) {
  writing_ = false;
  if (finished_ || !ok) return;  // a failed write is followed by OnCancel
  written_ = sent_;
  if (!acks_) session_->Release(written_);
  OnProgress();
}

void ExecReactor::Pump() {
  if (finished_ || !running_) return;
  if (writing_) {
    session_->Proceed();
    return;
  }
  response_.Clear();
  if (!started_sent_) AddStarted();
  const bool all = AddOutput();
  AddInputAck();
  if (all && session_->termination().has_value() && session_->output_taken()) {
    *response_.add_events()->mutable_terminated()->mutable_termination() =
        ToTermination(*session_->termination());
    MarkFinished();
    session_->Close();
    StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
    return;
  }
  if (response_.events().empty()) {
    session_->Wait();
    return;
  }
  writing_ = true;
  StartWrite(&response_);
  session_->Proceed();
}

void ExecReactor::AddStarted() {
  started_sent_ = true;
  v1::Started* started = response_.add_events()->mutable_started();
  *started->mutable_session() = ToSession(*session_);
  if (session_->takes_input()) started->set_input_window(kInputRingBytes);
}

// Adds output up to one message's worth; whether that was all there is.
bool ExecReactor::AddOutput() {
  size_t room = kMessageBytes;
  while (room > 0) {
    const auto chunk = session_->reader().Next(room);
    if (!chunk.has_value()) return true;
    v1::Output* output = response_.add_events()->mutable_output();
    output->set_stream(ToOutputStream(chunk->stream));
    output->set_position(chunk->position);
    output->mutable_data()->reserve(chunk->size());
    output->mutable_data()->append(chunk->first);
    output->mutable_data()->append(chunk->second);
    room -= chunk->size();
    sent_ = session_->reader().position();
  }
  return false;
}

void ExecReactor::AddInputAck() {
  if (!session_->takes_input()) return;
  const uint64_t consumed = session_->input_consumed();
  const uint64_t unheard = consumed - input_acked_;
  if (unheard < kInputAckStep && (unheard == 0 || consumed != session_->input_offset())) return;
  input_acked_ = consumed;
  response_.add_events()->mutable_input_ack()->set_offset(consumed);
}

}  // namespace nacre
