#include "server/session_stream.h"

#include <algorithm>
#include <asio/post.hpp>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "executor/errors.h"
#include "server/translate.h"

namespace nacre {
namespace {

// Output in one message: enough that the cost of a message does not count.
constexpr size_t kMessageBytes = 256 * 1024;
// How long `started` waits for output or the end to travel with.
constexpr auto kStartedHold = std::chrono::milliseconds(1);
// How long a viewer may take nothing.
constexpr auto kStuckTime = std::chrono::seconds(60);
constexpr int64_t kMinKeepaliveNs = 100'000'000;
constexpr uint64_t kInputAckStep = kInputRingBytes / 4;
constexpr size_t kMaxInput = 1024 * 1024;
// A client that acknowledges does so at least so often.
constexpr uint64_t kUnackedBytes = 128 * 1024;

}  // namespace

SessionStream::SessionStream(asio::io_context& loop, Executor& executor, Identity identity,
                             int64_t idle_ns)
    : loop_(loop),
      executor_(executor),
      identity_(std::move(identity)),
      hold_timer_(loop),
      stuck_timer_(loop),
      quiet_timer_(loop),
      idle_timer_(loop),
      idle_ns_(idle_ns) {}

// --- the first message --------------------------------------------------------------------------

absl::Status SessionStream::Start(const v1::Start& start) {
  auto spec = ToCommandSpec(start);
  if (!spec.ok()) return spec.status();
  if (start.has_keepalive_interval()) {
    absl::Status status = ChooseKeepalive(start.keepalive_interval());
    if (!status.ok()) return status;
  }
  auto result = executor_.Start(identity_, *spec, this);
  if (!result.ok()) return result.status();
  acks_ = start.will_ack();
  if (!result->already) {
    is_start_ = may_act_ = true;
    session_ = std::move(result->session);
    if (session_->takes_input()) session_->TakeInput(this);
    return absl::OkStatus();
  }
  v1::Attach attach;
  attach.set_drive(true);
  attach.set_input(result->session->takes_input());
  attach.set_will_ack(start.will_ack());
  return Follow(std::move(result->session), attach);
}

absl::Status SessionStream::Attach(const v1::Attach& attach) {
  auto session = executor_.Find(identity_, attach.session_id(), "attach",
                                attach.drive() && attach.input() ? "drive, input"
                                : attach.drive()                 ? "drive"
                                : attach.input()                 ? "input"
                                                                 : "view");
  if (!session.ok()) return session.status();
  if (attach.has_keepalive_interval()) {
    absl::Status status = ChooseKeepalive(attach.keepalive_interval());
    if (!status.ok()) return status;
  }
  return Follow(*std::move(session), attach);
}

absl::Status SessionStream::ChooseKeepalive(const google::protobuf::Duration& interval) {
  auto ns = ToNs(interval, "keepalive_interval");
  if (!ns.ok()) return ns.status();
  if (*ns < kMinKeepaliveNs) return InvalidField("keepalive_interval", "is less than 100 ms");
  keepalive_ns_ = *ns;
  return absl::OkStatus();
}

absl::Status SessionStream::Follow(std::shared_ptr<Session> session, const v1::Attach& attach) {
  if (attach.input() && !session->takes_input()) {
    return InvalidField("attach.input", "the command was started without input");
  }
  if (attach.drive() && !session->owner().dialect.empty()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "DRIVER_STAYS",
                     "an old client drives this session, and can't be told that another one does; "
                     "attach without drive");
  }
  session_ = std::move(session);
  if (absl::Status status = ChoosePosition(attach); !status.ok()) {
    session_.reset();
    return status;
  }
  acks_ = attach.will_ack();
  may_act_ = attach.drive() || attach.input();
  session_->Join(this);
  if (attach.drive()) {
    session_->Drive(this);
    // The acknowledgement of what it has may have been lost on its way.
    session_->Release(first_position_);
  }
  if (attach.input()) session_->TakeInput(this);
  if (session_->running() || session_->termination().has_value()) session_->OpenLog(this);
  return absl::OkStatus();
}

absl::Status SessionStream::ChoosePosition(const v1::Attach& attach) {
  const uint64_t kept = session_->kept_position();
  const uint64_t end = session_->end_position();
  if (!attach.has_position()) {
    first_position_ = attach.drive() ? std::min(session_->untaken_position(), end) : end;
    return absl::OkStatus();
  }
  first_position_ = attach.position();
  if (first_position_ > end) {
    return MakeError(absl::StatusCode::kOutOfRange, "POSITION_BEYOND_END",
                     absl::StrFormat("position %d is beyond the output, which ends at %d",
                                     first_position_, end));
  }
  if (first_position_ < kept) {
    absl::Status status =
        MakeError(absl::StatusCode::kOutOfRange, "POSITION_NOT_KEPT",
                  absl::StrFormat("position %d is no longer kept; the oldest one is %d",
                                  first_position_, kept));
    AddErrorMetadata("oldest_position", absl::StrCat(kept), &status);
    return status;
  }
  return absl::OkStatus();
}

void SessionStream::OnStarted() { session_->OpenLog(this); }

void SessionStream::OnLog(const absl::StatusOr<LogView>& log) {
  if (!log.ok()) {
    Leave(Session::Leaving::kDone);
    MarkFinished();
    End(log.status());
    return;
  }
  reader_.emplace(*log, first_position_);
  sent_ = acked_ = first_position_;
  NoteActivity();
  WatchIdle();
  ReadNext();
  if (!is_start_) {
    Pump();
    return;
  }
  // Without input the keeper has held the news already.
  hold_timer_.expires_after(session_->takes_input() ? kStartedHold : std::chrono::milliseconds(0));
  hold_timer_.async_wait([this](std::error_code error) {
    if (!error && !finished_ && !first_sent_) Pump();
  });
}

void SessionStream::OnGone(const absl::Status& status) {
  session_.reset();
  MarkFinished();
  End(status);
}

// --- the client's messages ----------------------------------------------------------------------

absl::Status SessionStream::HandleInput(v1::Input input) {
  if (!may_act_) return InvalidField("input", "comes from a viewer");
  if (!session_->takes_input()) {
    return InvalidField("input", "the command was started without input");
  }
  if (input.data().size() > kMaxInput) {
    return InvalidField("input.data", absl::StrFormat("exceeds %d bytes", kMaxInput));
  }
  if (!session_->written_by(this)) return absl::OkStatus();  // it will hear, or has heard
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
absl::Status SessionStream::FlushInput() {
  PendingInput& pending = *pending_input_;
  auto taken = session_->WriteInput(pending.offset, pending.data);
  if (!taken.ok()) return taken.status();
  pending.offset += *taken;
  pending.data.erase(0, *taken);
  if (!pending.data.empty()) return absl::OkStatus();
  absl::Status closed = pending.eof ? session_->CloseInput(pending.offset) : absl::OkStatus();
  pending_input_.reset();
  return closed;
}

absl::Status SessionStream::HandleSignal(const v1::Signal& signal) {
  if (!may_act_) return InvalidField("signal", "comes from a viewer");
  if (absl::Status status = CheckSignal(signal); !status.ok()) return status;
  session_->Signal(signal.number(), ToKillScope(signal.scope()));
  return absl::OkStatus();
}

absl::Status SessionStream::HandleResize(const v1::Resize& resize) {
  if (!may_act_) return InvalidField("resize", "comes from a viewer");
  if (absl::Status status = CheckResize(*session_, resize); !status.ok()) return status;
  session_->Resize(resize.rows(), resize.columns());
  return absl::OkStatus();
}

absl::Status SessionStream::HandleAck(const v1::Ack& ack) {
  if (!may_act_) return InvalidField("ack", "comes from a viewer");
  if (ack.position() > sent_) return InvalidField("ack.position", "is beyond what was sent");
  acks_ = true;
  acked_ = std::max(acked_, ack.position());
  NoteActivity();
  if (!session_->driven_by(this)) return absl::OkStatus();
  session_->Release(ack.position());
  Pump();
  return absl::OkStatus();
}

absl::Status SessionStream::HandleCancelRequest() {
  if (!may_act_) return InvalidField("cancel", "comes from a viewer");
  session_->Cancel(identity_);
  return absl::OkStatus();
}

absl::Status SessionStream::HandleDetach() {
  Leave(Session::Leaving::kDetached);
  MarkFinished();
  executor_.WhenKept([this] { End(absl::OkStatus()); });
  return absl::OkStatus();
}

void SessionStream::CloseInput() {
  if (finished_ || !session_->written_by(this)) return;
  if (absl::Status status = session_->CloseInput(session_->input_offset()); !status.ok()) {
    Reject(status);
  }
}

void SessionStream::HandleLost() {
  if (finished_) return;
  Leave(Session::Leaving::kLost);
  MarkFinished();
  End(absl::CancelledError("the call was cancelled"));
}

void SessionStream::Reject(const absl::Status& status) {
  Leave(is_start_ ? Session::Leaving::kBroken : Session::Leaving::kLost);
  MarkFinished();
  End(status);
}

void SessionStream::Leave(Session::Leaving how) {
  if (session_ != nullptr) session_->Leave(this, how);
}

// Every way to the end of the RPC comes through here: no timer outlives it.
void SessionStream::MarkFinished() {
  finished_ = true;
  hold_timer_.cancel();
  stuck_timer_.cancel();
  quiet_timer_.cancel();
  idle_timer_.cancel();
}

// --- the session's progress ---------------------------------------------------------------------

void SessionStream::OnProgress() {
  if (!reader_.has_value()) return;
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

void SessionStream::OnInputTaken() {
  input_taken_ = true;
  if (pending_input_.has_value()) {
    pending_input_.reset();
    ReadNext();
  }
  PumpSoon();
}

void SessionStream::OnDriveTaken() {
  drive_taken_ = true;
  if (writing_) WatchWrite();
  PumpSoon();
}

// Not from within the call of the one who takes.
void SessionStream::PumpSoon() {
  asio::post(loop_, [this, session = session_] {
    if (!finished_) Pump();
  });
}

void SessionStream::HandleWritten(bool ok) {
  writing_ = false;
  stuck_timer_.cancel();
  if (finished_ || !ok) return;  // a failed write is followed by the loss of the call
  if (!acks_ && session_->driven_by(this)) session_->Release(sent_);
  AwaitQuiet();
  OnProgress();
}

// The first write has been `started` or `attached`: only then may a keepalive come.
void SessionStream::AwaitQuiet() {
  if (keepalive_ns_ == 0) return;
  quiet_timer_.expires_after(std::chrono::nanoseconds(keepalive_ns_));
  quiet_timer_.async_wait([this](std::error_code error) {
    if (error || finished_ || writing_) return;
    NewEvents()->Add()->mutable_keepalive();
    Write();
  });
}

void SessionStream::NoteActivity() { active_ns_ = MonotonicNs(); }

// Who has yet to take what was sent is slow, not idle; all keep back some of it that they have
// taken.
bool SessionStream::AwaitsReader() const {
  return writing_ || (acks_ && session_->driven_by(this) && sent_ - acked_ >= kUnackedBytes);
}

// Looked at when it would be due, not set anew with every message.
void SessionStream::WatchIdle() {
  if (idle_ns_ == 0) return;
  const int64_t active_ns =
      AwaitsReader() ? MonotonicNs() : std::max(active_ns_, session_->active_ns());
  const int64_t left_ns = active_ns + idle_ns_ - MonotonicNs();
  idle_timer_.expires_after(std::chrono::nanoseconds(std::max<int64_t>(left_ns, 0)));
  idle_timer_.async_wait([this, active_ns](std::error_code error) {
    if (error || finished_) return;
    if (AwaitsReader() || std::max(active_ns_, session_->active_ns()) > active_ns) {
      WatchIdle();
      return;
    }
    Leave(Session::Leaving::kLost);
    MarkFinished();
    End(MakeError(absl::StatusCode::kResourceExhausted, "STREAM_IDLE",
                  "nothing came or went for as long as this node lets a stream be idle; attach to "
                  "the session to go on"));
  });
}

void SessionStream::Pump() {
  if (finished_ || !reader_.has_value()) return;
  if (writing_) {
    session_->Proceed();
    return;
  }
  Events* events = NewEvents();
  if (!first_sent_) AddFirst(events);
  const bool all = AddOutput(events);
  AddTaken(events);
  AddInputAck(events);
  if (all && session_->termination().has_value() &&
      reader_->position() >= session_->end_position()) {
    *events->Add()->mutable_terminated()->mutable_termination() =
        ToTermination(*session_->termination());
    MarkFinished();
    Leave(Session::Leaving::kDone);
    WriteLastEvents();
    return;
  }
  if (events->empty()) {
    session_->Wait(reader_->seen());
    return;
  }
  Write();
}

void SessionStream::Write() {
  writing_ = true;
  if (!session_->driven_by(this)) WatchWrite();
  WriteEvents();
  session_->Proceed();
}

void SessionStream::WatchWrite() {
  stuck_timer_.expires_after(kStuckTime);
  stuck_timer_.async_wait([this](std::error_code error) {
    if (error || finished_) return;
    Leave(Session::Leaving::kDone);
    MarkFinished();
    End(MakeError(absl::StatusCode::kResourceExhausted, "READER_TOO_SLOW",
                  "nothing was taken for 60 s; attach again to go on"));
  });
}

void SessionStream::AddFirst(Events* events) {
  first_sent_ = true;
  const uint32_t window = session_->written_by(this) ? kInputRingBytes : 0;
  if (is_start_) {
    v1::Started* started = events->Add()->mutable_started();
    *started->mutable_session() = ToSession(*session_);
    started->set_input_window(window);
    return;
  }
  v1::Attached* attached = events->Add()->mutable_attached();
  *attached->mutable_session() = ToSession(*session_);
  attached->set_next_position(first_position_);
  attached->set_input_offset(session_->input_offset());
  attached->set_input_window(window);
  if (window == 0 || !session_->running()) return;
  // So that a writer that comes back knows how far it may go on.
  session_->ObserveInput();
  input_acked_ = session_->input_consumed();
  events->Add()->mutable_input_ack()->set_offset(input_acked_);
}

// Adds output up to one message's worth; whether that was all there is.
bool SessionStream::AddOutput(Events* events) {
  size_t room = kMessageBytes;
  while (room > 0) {
    const uint64_t before = reader_->position();
    if (reader_->SkipLost()) AddGap(before, events);
    const auto chunk = reader_->Next(room);
    if (!chunk.has_value()) return true;
    v1::Output* output = events->Add()->mutable_output();
    output->set_stream(ToOutputStream(chunk->stream));
    output->set_position(chunk->position);
    output->mutable_data()->reserve(chunk->size());
    output->mutable_data()->append(chunk->first);
    output->mutable_data()->append(chunk->second);
    if (!reader_->Whole(*chunk)) {
      events->RemoveLast();
      reader_->Rewind(*chunk);
      continue;
    }
    room -= chunk->size();
    sent_ = reader_->position();
    NoteActivity();
  }
  return false;
}

// What was lost from `from` on; one with what was lost right before it.
void SessionStream::AddGap(uint64_t from, Events* events) {
  const bool more =
      !events->empty() && events->rbegin()->has_gap() && events->rbegin()->gap().to() == from;
  v1::Gap* gap = more ? events->rbegin()->mutable_gap() : events->Add()->mutable_gap();
  if (!more) gap->set_from(from);
  gap->set_to(reader_->position());
}

void SessionStream::AddTaken(Events* events) {
  if (std::exchange(input_taken_, false)) events->Add()->mutable_input_taken();
  if (std::exchange(drive_taken_, false)) events->Add()->mutable_drive_taken();
}

void SessionStream::AddInputAck(Events* events) {
  if (!session_->written_by(this)) return;
  const uint64_t consumed = session_->input_consumed();
  const uint64_t unheard = consumed - std::min(input_acked_, consumed);
  if (unheard < kInputAckStep && (unheard == 0 || consumed != session_->input_offset())) return;
  input_acked_ = consumed;
  NoteActivity();
  events->Add()->mutable_input_ack()->set_offset(consumed);
}

}  // namespace nacre
