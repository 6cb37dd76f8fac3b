#include "executor/session.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "executor/errors.h"
#include "executor/spawn_error.h"
#include "nacre/internal/v1/session_record.pb.h"

namespace nacre {
namespace {

// A busy driver's releases are told in steps of this size.
constexpr uint64_t kReleaseStep = 64 * 1024;
// How often a terminal is given a new size. Whoever drags a window sends hundreds in a second, and
// each has the command draw all anew.
constexpr auto kResizeStep = std::chrono::milliseconds(20);
// What a driver that went with its front has at least to come back, whatever its policy: it was not
// it that left.
constexpr int64_t kAdoptionGraceNs = 5'000'000'000;

}  // namespace

Session::Session(asio::io_context& loop, KeeperLink& keeper, uint64_t number, std::string id,
                 SessionRecord record)
    : loop_(loop),
      keeper_(keeper),
      number_(number),
      id_(std::move(id)),
      record_(std::move(record)),
      grace_(loop) {}

// --- the keeper's events ------------------------------------------------------------------------

void Session::Adopt(const keeper::v1::Adopted& adopted) {
  running_ = adopted.running();
  archived_ = adopted.archived();
  slot_ = adopted.slot();
  ring_bytes_ = adopted.ring_bytes();
  start_unix_ns_ = static_cast<int64_t>(adopted.start_unix_ns());
  produced_ = adopted.input_produced();
  input_closed_ = adopted.input_eof();
  released_ = release_sent_ = adopted.released();
  kept_ = adopted.kept();
  keeps_newest_ = true;  // perhaps: so that a driver has it changed
  internal::v1::SessionState state;
  if (state.ParseFromString(adopted.state())) {
    detached_ = state.detached();
    forgotten_ = state.deleted();
  }
  // The keeper wakes nobody until it is told that somebody waits.
  waiting_ = false;
  if (!adopted.has_terminated()) {
    // Old clients can't come back, and nobody to a session that is nobody's.
    const bool can_return = record_.owner.dialect.empty() && !record_.owner.name.empty();
    AwaitDriver(std::max(record_.on_disconnect.grace_ns, can_return ? kAdoptionGraceNs : 0));
    return;
  }
  termination_ = adopted.terminated();
  end_ns_ = MonotonicNs() - static_cast<int64_t>(adopted.ended_ago_ns());
  forgotten_ = forgotten_ || retention_ns() == 0;
  if (!archived_ || forgotten_) Rest();
}

void Session::OnEvent(const keeper::v1::KeeperEvent& event) {
  switch (event.event_case()) {
    case keeper::v1::KeeperEvent::kSpawned:
      slot_ = event.spawned().slot();
      ring_bytes_ = event.spawned().ring_bytes();
      start_unix_ns_ = static_cast<int64_t>(event.spawned().start_unix_ns());
      running_ = true;
      if (size_is_new_) SendSize();
      TellFollowers([](SessionFollower& follower) { follower.OnStarted(); });
      break;
    case keeper::v1::KeeperEvent::kSpawnFailed:
      Yield(SpawnError(event.spawn_failed(), record_.program, record_.cwd));
      break;
    case keeper::v1::KeeperEvent::kProgress:
      waiting_ = false;
      TellFollowers([](SessionFollower& follower) { follower.OnProgress(); });
      break;
    case keeper::v1::KeeperEvent::kTerminated:
      ObserveInput();  // what it took last
      termination_ = event.terminated();
      end_ns_ = MonotonicNs();
      forgotten_ = forgotten_ || retention_ns() == 0;
      grace_.cancel();
      if (followers_.empty()) Rest();
      TellFollowers([](SessionFollower& follower) { follower.OnProgress(); });
      break;
    default:
      break;
  }
}

void Session::Yield(const absl::Status& why) {
  gone_ = true;
  grace_.cancel();
  TellFollowers([&why](SessionFollower& follower) { follower.OnGone(why); });
  followers_.clear();
  awaiting_log_.clear();
  driver_ = writer_ = nullptr;
}

// Each of them that is still one when its turn comes.
template <typename Call>
void Session::TellFollowers(Call call) {
  for (SessionFollower* follower : std::vector(followers_)) {
    if (std::find(followers_.begin(), followers_.end(), follower) != followers_.end()) {
      call(*follower);
    }
  }
}

// --- following ----------------------------------------------------------------------------------

void Session::Join(SessionFollower* follower) { followers_.push_back(follower); }

void Session::Drive(SessionFollower* follower) {
  if (driver_ != nullptr && driver_ != follower) driver_->OnDriveTaken();
  driver_ = follower;
  grace_.cancel();
  awaits_driver_ = false;
  if (termination_.has_value()) return;
  if (std::exchange(detached_, false)) SendState();
  SendOverflow(false);
}

void Session::TakeInput(SessionFollower* follower) {
  if (writer_ != nullptr && writer_ != follower) writer_->OnInputTaken();
  writer_ = follower;
}

void Session::Leave(SessionFollower* follower, Leaving how) {
  std::erase(followers_, follower);
  std::erase(awaiting_log_, follower);
  if (writer_ == follower) writer_ = nullptr;
  const bool drove = driver_ == follower;
  if (drove) driver_ = nullptr;
  if (gone_) return;
  if (termination_.has_value()) {
    if (followers_.empty()) Rest();
    return;
  }
  if (!drove) return;
  if (how == Leaving::kDetached) {
    detached_ = true;
    SendState();
    GoOnUndriven();
  } else if (how == Leaving::kBroken) {
    SendEnd(keeper::v1::END_CAUSE_CANCELLED, record_.owner.name);
    SendOverflow(true);
  } else {
    AwaitDriver(record_.on_disconnect.grace_ns);
  }
}

// For the grace the output is held for the driver's return.
void Session::AwaitDriver(int64_t grace_ns) {
  if (driver_ != nullptr) return;
  if (grace_ns == 0 || forgotten_) {
    GoOnUndriven();
    return;
  }
  awaits_driver_ = true;
  grace_.expires_after(std::chrono::nanoseconds(grace_ns));
  grace_.async_wait([self = weak_from_this()](std::error_code error) {
    const std::shared_ptr<Session> session = self.lock();
    if (!error && session != nullptr) session->GoOnUndriven();
  });
}

void Session::GoOnUndriven() {
  awaits_driver_ = false;
  if (driver_ != nullptr || termination_.has_value()) return;
  if (forgotten_) {
    SendEnd(keeper::v1::END_CAUSE_CANCELLED, record_.owner.name);
    SendOverflow(true);
  } else if (record_.on_disconnect.keep || detached_) {
    SendOverflow(ending_ || !record_.block_on_overflow);
  } else {
    SendEnd(keeper::v1::END_CAUSE_DISCONNECTED, "");
    SendOverflow(true);
  }
}

void Session::StartUndriven() {
  detached_ = true;
  SendState();
  GoOnUndriven();
}

int64_t Session::retention_ns() const {
  if (record_.retention_ns > 0 || detached_) return record_.retention_ns;
  return record_.on_disconnect.grace_ns;
}

// It has ended, and nobody looks.
void Session::Rest() {
  keeper::v1::FrontRequest request;
  if (forgotten_) {
    if (std::exchange(forget_sent_, true)) return;
    request.mutable_forget()->set_session(number_);
  } else if (!archived_) {
    kept_ = kept_position();
    archived_ = true;
    request.mutable_archive()->set_session(number_);
  } else {
    return;
  }
  Send(request);
}

void Session::Forget() {
  if (std::exchange(forgotten_, true)) return;
  if (!termination_.has_value()) {
    SendState();
    // Nobody can come back for its output.
    grace_.cancel();
    GoOnUndriven();
  } else if (archived_ || followers_.empty()) {
    Rest();  // followers of an archived one have their own copy of the log, or hear that it is gone
  } else {
    SendState();  // so that the next front does not bring it back
  }
}

// --- output -------------------------------------------------------------------------------------

uint64_t Session::end_position() const {
  if (termination_.has_value()) {
    uint64_t total = 0;
    for (const auto& stream : termination_->streams()) total += stream.bytes();
    return total;
  }
  if (!running_) return 0;
  return keeper_.rings().header(slot_).total.load(std::memory_order_acquire);
}

uint64_t Session::kept_position() const {
  if (archived_ || (!running_ && !termination_.has_value())) return kept_;
  return keeper_.rings().header(slot_).kept.load(std::memory_order_acquire);
}

uint64_t Session::untaken_position() const { return std::max(released_, kept_position()); }

void Session::OpenLog(SessionFollower* follower) {
  if (!archived_) {
    follower->OnLog(LogView::OfSlot(keeper_.rings(), slot_, ring_bytes_));
    return;
  }
  awaiting_log_.push_back(follower);
  if (std::exchange(log_requested_, true)) return;
  keeper::v1::FrontRequest request;
  request.mutable_open_log()->set_session(number_);
  Send(request);
}

void Session::OnLogOpened(const keeper::v1::LogOpened& opened, UniqueFd fd) {
  absl::StatusOr<LogView> view;
  if (opened.lost().empty()) {
    view = LogView::Map(std::move(fd), opened.ring_bytes());
  } else if (forgotten_) {
    view = MakeError(absl::StatusCode::kNotFound, "SESSION_NOT_FOUND",
                     "session " + id_ + " was forgotten");
  } else {
    view = MakeError(absl::StatusCode::kDataLoss, "OUTPUT_LOST",
                     "the output of session " + id_ + " could not be kept: " + opened.lost());
  }
  log_requested_ = false;
  while (!awaiting_log_.empty()) {
    SessionFollower* follower = awaiting_log_.back();
    awaiting_log_.pop_back();
    follower->OnLog(view);
  }
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
  release->set_seen(seen_);
  release->set_consumed_seen(consumed_seen_);
  Send(request);
}

void Session::Proceed() {
  if (released_ - release_sent_ >= kReleaseStep) SendRelease(false);
}

void Session::Wait(uint64_t seen) {
  seen_ = std::max(seen_, seen);
  if (!waiting_ || released_ != release_sent_) SendRelease(true);
}

void Session::SendOverflow(bool keep_newest) {
  if (!std::exchange(keeps_newest_, keep_newest) && !keep_newest) return;
  keeper::v1::FrontRequest request;
  request.mutable_set_overflow()->set_session(number_);
  request.mutable_set_overflow()->set_keep_newest(keep_newest);
  Send(request);
}

void Session::SendState() {
  internal::v1::SessionState state;
  state.set_detached(detached_);
  state.set_deleted(forgotten_);
  keeper::v1::FrontRequest request;
  request.mutable_update()->set_session(number_);
  request.mutable_update()->set_state(state.SerializeAsString());
  Send(request);
}

// --- input --------------------------------------------------------------------------------------

void Session::ObserveInput() {
  if (running()) {
    consumed_seen_ = keeper_.rings().header(slot_).consumed.load(std::memory_order_acquire);
  }
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
  if (taken == 0 || !running()) return known;
  char* ring = keeper_.rings().input(slot_);
  const size_t at = produced_ % kInputRingBytes;
  const size_t first = std::min(taken, kInputRingBytes - at);
  memcpy(ring + at, data.data(), first);
  memcpy(ring, data.data() + first, taken - first);
  produced_ += taken;
  active_ns_ = MonotonicNs();
  keeper::v1::FrontRequest request;
  request.mutable_input()->set_session(number_);
  request.mutable_input()->set_produced(produced_);
  Send(request);
  return known + taken;
}

absl::Status Session::CloseInput(uint64_t offset) {
  if (!record_.takes_input || !running()) return absl::OkStatus();
  if (offset != produced_) return InvalidField("input.eof", "comes before input that has arrived");
  if (std::exchange(input_closed_, true)) return absl::OkStatus();
  keeper::v1::FrontRequest request;
  request.mutable_input()->set_session(number_);
  request.mutable_input()->set_produced(produced_);
  request.mutable_input()->set_eof(true);
  Send(request);
  return absl::OkStatus();
}

// --- signals and ending -------------------------------------------------------------------------

void Session::Signal(uint32_t number, KillScope scope) {
  if (!running()) return;
  active_ns_ = MonotonicNs();
  keeper::v1::FrontRequest request;
  request.mutable_signal()->set_session(number_);
  request.mutable_signal()->set_number(number);
  request.mutable_signal()->set_scope(static_cast<keeper::v1::KillScope>(scope));
  Send(request);
}

void Session::Resize(uint32_t rows, uint32_t columns) {
  size_ = {rows, columns};
  size_is_new_ = true;
  active_ns_ = MonotonicNs();
  if (next_size_ == nullptr) SendSize();
}

void Session::SendSize() {
  next_size_.reset();
  if (!running() || !std::exchange(size_is_new_, false)) return;
  keeper::v1::FrontRequest request;
  request.mutable_resize()->set_session(number_);
  request.mutable_resize()->set_rows(size_.first);
  request.mutable_resize()->set_columns(size_.second);
  Send(request);
  next_size_ = std::make_unique<asio::steady_timer>(loop_, kResizeStep);
  next_size_->async_wait([self = weak_from_this()](std::error_code error) {
    const std::shared_ptr<Session> session = self.lock();
    if (!error && session != nullptr) session->SendSize();
  });
}

void Session::SendEnd(keeper::v1::EndCause cause, const std::string& by) {
  if (gone_ || termination_.has_value()) return;
  keeper::v1::FrontRequest request;
  request.mutable_end()->set_session(number_);
  request.mutable_end()->set_cause(cause);
  request.mutable_end()->set_by(by.substr(0, 256));
  Send(request);
}

void Session::Cancel(const Identity& by) {
  SendEnd(keeper::v1::END_CAUSE_CANCELLED, by.name);
  ending_ = true;
  // Its end must not wait for a driver that may never come.
  if (!awaits_driver_) GoOnUndriven();
}

}  // namespace nacre
