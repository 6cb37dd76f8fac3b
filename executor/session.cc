#include "executor/session.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "executor/errors.h"
#include "executor/spawn_error.h"

namespace nacre {
namespace {

// A busy driver's releases are told in steps of this size.
constexpr uint64_t kReleaseStep = 64 * 1024;

}  // namespace

Session::Session(asio::io_context& loop, KeeperLink& keeper, uint64_t number, std::string id,
                 SessionRecord record)
    : loop_(loop),
      keeper_(keeper),
      number_(number),
      id_(std::move(id)),
      record_(std::move(record)),
      grace_(loop) {}

void Session::Adopt(const keeper::v1::Adopted& adopted) {
  running_ = adopted.running();
  slot_ = adopted.slot();
  start_unix_ns_ = static_cast<int64_t>(adopted.start_unix_ns());
  produced_ = adopted.input_produced();
  input_closed_ = adopted.input_eof();
  if (adopted.has_terminated()) termination_ = adopted.terminated();
  if (running_ || termination_.has_value()) {
    released_ = release_sent_ = adopted.released();
    reader_.emplace(LogView::OfSlot(keeper_.rings(), slot_, adopted.ring_bytes()), released_);
  }
  // The keeper wakes nobody until it is told that somebody waits.
  waiting_ = false;
  Abandon();
}

void Session::OnEvent(const keeper::v1::KeeperEvent& event) {
  switch (event.event_case()) {
    case keeper::v1::KeeperEvent::kSpawned:
      slot_ = event.spawned().slot();
      start_unix_ns_ = static_cast<int64_t>(event.spawned().start_unix_ns());
      reader_.emplace(LogView::OfSlot(keeper_.rings(), slot_, event.spawned().ring_bytes()));
      running_ = true;
      if (driver_ != nullptr) driver_->OnStarted();
      if (dropping_) DropOutput();
      break;
    case keeper::v1::KeeperEvent::kSpawnFailed:
      failed_ = true;
      grace_.cancel();
      if (driver_ != nullptr) {
        driver_->OnStartFailed(SpawnError(event.spawn_failed(), record_.program, record_.cwd));
      }
      break;
    case keeper::v1::KeeperEvent::kProgress:
      waiting_ = false;
      if (dropping_) DropOutput();
      if (driver_ != nullptr) driver_->OnProgress();
      break;
    case keeper::v1::KeeperEvent::kTerminated:
      termination_ = event.terminated();
      grace_.cancel();
      if (driver_ != nullptr) {
        driver_->OnProgress();
      } else {
        Close();
      }
      break;
    default:
      break;
  }
}

bool Session::output_taken() const {
  return reader_.has_value() &&
         reader_->position() == keeper_.rings().header(slot_).total.load(std::memory_order_acquire);
}

void Session::SendRelease(bool waits) {
  if (termination_.has_value()) return;  // nothing waits for room any more
  release_sent_ = released_;
  waiting_ = waits;
  keeper::v1::FrontRequest request;
  keeper::v1::Release* release = request.mutable_release();
  release->set_session(number_);
  release->set_position(released_);
  release->set_waits(waits);
  release->set_seen(reader_->seen());
  release->set_consumed_seen(consumed_seen_);
  Send(request);
}

void Session::Proceed() {
  if (released_ - release_sent_ >= kReleaseStep) SendRelease(false);
}

void Session::Wait() {
  if (!waiting_ || released_ != release_sent_) SendRelease(true);
}

void Session::ObserveInput() {
  if (running_)
    consumed_seen_ = keeper_.rings().header(slot_).consumed.load(std::memory_order_acquire);
}

absl::StatusOr<size_t> Session::WriteInput(uint64_t offset, std::string_view data) {
  if (!record_.takes_input) return InvalidField("input", "the command was started without input");
  if (offset > produced_) {
    return InvalidField("input.offset", "leaves a gap after the input that has arrived");
  }
  const size_t known = std::min<uint64_t>(produced_ - offset, data.size());
  data.remove_prefix(known);
  if (data.empty()) return known;
  if (input_closed_) return InvalidField("input.data", "comes after the end of the input");
  const size_t room = kInputRingBytes - (produced_ - input_consumed());
  const size_t taken = std::min(room, data.size());
  if (taken == 0) return known;
  char* ring = keeper_.rings().input(slot_);
  const size_t at = produced_ % kInputRingBytes;
  const size_t first = std::min(taken, kInputRingBytes - at);
  memcpy(ring + at, data.data(), first);
  memcpy(ring, data.data() + first, taken - first);
  produced_ += taken;
  keeper::v1::FrontRequest request;
  request.mutable_input()->set_session(number_);
  request.mutable_input()->set_produced(produced_);
  Send(request);
  return known + taken;
}

void Session::CloseInput() {
  if (!record_.takes_input || !running_ || std::exchange(input_closed_, true)) return;
  keeper::v1::FrontRequest request;
  request.mutable_input()->set_session(number_);
  request.mutable_input()->set_produced(produced_);
  request.mutable_input()->set_eof(true);
  Send(request);
}

void Session::Signal(uint32_t number) {
  if (!running_ || termination_.has_value()) return;
  keeper::v1::FrontRequest request;
  request.mutable_signal()->set_session(number_);
  request.mutable_signal()->set_number(number);
  Send(request);
}

void Session::SendEnd(keeper::v1::EndCause cause, const std::string& by) {
  if (failed_ || termination_.has_value()) return;
  keeper::v1::FrontRequest request;
  request.mutable_end()->set_session(number_);
  request.mutable_end()->set_cause(cause);
  request.mutable_end()->set_by(by.substr(0, 256));
  Send(request);
}

void Session::Cancel(const Identity& by) { SendEnd(keeper::v1::END_CAUSE_CANCELLED, by.name); }

void Session::Close() {
  driver_ = nullptr;
  if (std::exchange(closed_, true) || !termination_.has_value()) return;
  keeper::v1::FrontRequest request;
  request.mutable_forget()->set_session(number_);
  Send(request);
}

void Session::Abandon() {
  driver_ = nullptr;
  if (failed_ || closed_) return;
  if (termination_.has_value()) {
    Close();
  } else if (record_.on_disconnect.grace_ns == 0) {
    EndUnwatched(keeper::v1::END_CAUSE_DISCONNECTED, "");
  } else {
    // Until the grace has passed the output is held for the driver's return.
    grace_.expires_after(std::chrono::nanoseconds(record_.on_disconnect.grace_ns));
    grace_.async_wait([self = shared_from_this()](std::error_code error) {
      if (!error) self->EndUnwatched(keeper::v1::END_CAUSE_DISCONNECTED, "");
    });
  }
}

void Session::Drop() {
  driver_ = nullptr;
  if (termination_.has_value()) {
    Close();
  } else {
    EndUnwatched(keeper::v1::END_CAUSE_CANCELLED, record_.owner.name);
  }
}

void Session::EndUnwatched(keeper::v1::EndCause cause, const std::string& by) {
  if (termination_.has_value()) return;
  SendEnd(cause, by);
  dropping_ = true;
  DropOutput();
}

void Session::DropOutput() {
  if (!reader_.has_value()) return;
  while (reader_->Next(kMaxRingBytes).has_value()) {
  }
  Release(reader_->position());
  Wait();
}

}  // namespace nacre
