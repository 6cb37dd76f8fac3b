// How a Process gets its first stream, and the next one after a loss.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/connect_error.h"
#include "client/process.h"
#include "client/status.h"

namespace nacre::client {
namespace {

// How long a caller is left in the dark.
constexpr auto kTellAfter = std::chrono::seconds(2);
// How long a node that took a connection may take to answer.
constexpr auto kAnswerTime = std::chrono::seconds(10);
// A wait for a connection that nothing can interrupt.
constexpr auto kConnectSlice = std::chrono::milliseconds(100);
// A stream that is lost sooner counts as a failed attempt: a node that loses us at once, again and
// again, is not asked ever faster.
constexpr auto kHeldTime = std::chrono::milliseconds(100);
// How long a start that was never sent is tried again, when somebody listens there but breaks off.
constexpr absl::Duration kUnsentTime = absl::Seconds(5);

// Cancels a stream at a time, unless destroyed before.
class Guard {
 public:
  Guard(std::shared_ptr<SessionStream> stream, std::chrono::steady_clock::time_point time)
      : thread_([this, stream = std::move(stream), time](const std::stop_token& stop) {
          std::mutex mutex;
          std::condition_variable_any never;
          std::unique_lock lock(mutex);
          never.wait_until(lock, stop, time, [] { return false; });
          if (stop.stop_requested()) return;
          cut_ = true;
          stream->Cancel();
        }) {}

  // Ends it; whether the stream was cancelled.
  bool Dismiss() {
    thread_.request_stop();
    thread_.join();
    return cut_;
  }

 private:
  std::atomic<bool> cut_ = false;
  std::jthread thread_;
};

absl::Status WithDetailsOf(const absl::Status& origin, absl::Status status) {
  origin.ForEachPayload([&status](absl::string_view url, const absl::Cord& payload) {
    status.SetPayload(url, payload);
  });
  return status;
}

std::string Text(const absl::Status& status) { return std::string(status.message()); }

}  // namespace

// Opens the first stream; whether there is one.
bool Process::Impl::OpenFirst() {
  const std::lock_guard lock(write_mutex_);
  SetStream(SessionStream::Make(channel_, opening_));
  online_ = start_sent_ = stream_->Open();
  return online_;
}

// Why the stream ended before its last event.
absl::Status Process::Impl::EndOfStream() {
  absl::Status status = FromGrpc(stream_->Finish());
  if (abandoned_) return absl::CancelledError("the call was abandoned");
  return status;
}

// Whoever can't reach anybody hears why at once.
absl::Status Process::Impl::ExplainUnsent(const absl::Status& cause) {
  if (!IsConnectionLoss(cause) || !ErrorReason(cause).empty()) return cause;
  const std::string why = WhyNoConnection(target_);
  if (why.empty() && resume_for_ > absl::ZeroDuration()) {
    Lose(cause);
    return absl::OkStatus();
  }
  return absl::UnavailableError(absl::StrCat("cannot connect to ", target_.ToString(), ": ",
                                             why.empty() ? Text(cause) : why));
}

void Process::Impl::Lose(absl::Status cause) {
  {
    const std::lock_guard lock(write_mutex_);
    online_ = false;
  }
  const auto now = Clock::now();
  if (now - opened_at_ > std::max<Clock::duration>(pause_, kHeldTime)) backoff_ = Backoff();
  pause_ = absl::ToChronoNanoseconds(backoff_.Next());
  const absl::Duration patience = start_sent_ ? resume_for_ : std::min(resume_for_, kUnsentTime);
  loss_ = Loss{.at = now,
               .give_up_at = patience == absl::InfiniteDuration()
                                 ? Clock::time_point::max()
                                 : now + absl::ToChronoNanoseconds(patience),
               .next_try = now + pause_,
               .cause = std::move(cause)};
  if (auto* attach = std::get_if<v1::Attach>(&opening_);
      attach != nullptr && !session_id_.empty()) {
    attach->set_position(ledger_.position());
    attach->set_input(writes_input_ && !input_taken_);
    attach->set_drive(drives_);
    attach->set_will_ack(drives_);
  }
}

// Tries until the stream is back, until the caller must hear something, or in vain.
absl::StatusOr<Event> Process::Impl::Resume() {
  for (;;) {
    if (abandoned_) return absl::CancelledError("the call was abandoned");
    const auto now = Clock::now();
    const auto tell_at = loss_->told ? Clock::time_point::max() : loss_->at + kTellAfter;
    if (now >= loss_->give_up_at) return GiveUp();
    if (now >= tell_at) {
      loss_->told = true;
      return Disconnected{.cause = loss_->cause};
    }
    if (now < loss_->next_try) {
      SleepUntil(std::min({loss_->next_try, loss_->give_up_at, tell_at}));
      continue;
    }
    if (!channel_->WaitForConnected(std::chrono::system_clock::now() + kConnectSlice)) continue;
    ++loss_->attempts;
    const absl::Status status = Reopen();
    if (status.ok()) {
      const Loss loss = *std::exchange(loss_, std::nullopt);
      return Resumed{.attempts = loss.attempts, .away = absl::FromChrono(Clock::now() - loss.at)};
    }
    if (TakeOldestKept(status)) continue;
    if (!IsConnectionLoss(status)) return ExplainRefusal(status);
    loss_->cause = status;
    pause_ = absl::ToChronoNanoseconds(backoff_.Next());
    loss_->next_try = Clock::now() + pause_;
  }
}

// Opens the next stream and takes its first event.
absl::Status Process::Impl::Reopen() {
  {
    const std::lock_guard lock(write_mutex_);
    SetStream(SessionStream::Make(channel_, opening_));
  }
  next_event_ = 0;
  first_event_seen_ = false;
  if (!AwaitAnswer()) {
    const absl::Status status = EndOfStream();
    if (status.ok()) return absl::InternalError("the node ended the stream without an event");
    const bool cut = absl::IsCancelled(status) && !abandoned_;
    return cut ? absl::UnavailableError("the node does not answer") : status;
  }
  if (stream_->events().empty()) return absl::InternalError("the node sent an empty message");
  auto event = Handle(stream_->events()[next_event_++]);
  if (!event.ok()) return event.status();
  pending_ = *std::move(event);
  return absl::OkStatus();
}

bool Process::Impl::AwaitAnswer() {
  Guard guard(stream_, std::min(Clock::now() + kAnswerTime, loss_->give_up_at));
  bool answered = false;
  if (stream_->Open()) {
    start_sent_ = true;
    answered = stream_->Read();
  }
  return !guard.Dismiss() && answered;
}

// A viewer may miss output: it goes on with the oldest that is kept or, when even that is gone by
// the time it asks, with what comes.
bool Process::Impl::TakeOldestKept(const absl::Status& refusal) {
  if (drives_ || session_id_.empty() || ErrorReason(refusal) != "POSITION_NOT_KEPT") return false;
  v1::Attach& attach = std::get<v1::Attach>(opening_);
  uint64_t oldest = 0;
  if (attach.position() == ledger_.position() &&
      absl::SimpleAtoi(ErrorMetadata(refusal, "oldest_position"), &oldest)) {
    attach.set_position(oldest);
  } else {
    attach.clear_position();
  }
  return true;
}

absl::Status Process::Impl::ExplainRefusal(const absl::Status& refusal) const {
  if (session_id_.empty()) return refusal;
  const std::string reason = ErrorReason(refusal);
  if (absl::IsNotFound(refusal) && reason == "NODE_RESTARTED") {
    return WithDetailsOf(refusal,
                         absl::NotFoundError(absl::StrCat(
                             "session ", session_id_,
                             " is gone: the node was restarted, and its commands ended with it")));
  }
  if (reason == "POSITION_NOT_KEPT") {
    return WithDetailsOf(
        refusal, absl::DataLossError(
                     absl::StrCat("output was lost while the connection was: ", Text(refusal))));
  }
  return refusal;
}

absl::Status Process::Impl::GiveUp() const {
  const std::string cause = Text(loss_->cause);
  if (!start_sent_) {
    return absl::UnavailableError(
        absl::StrCat("cannot connect to ", target_.ToString(), ": ", cause));
  }
  const std::string rest =
      session_id_.empty() ? std::string("it did not say whether the command runs")
                          : absl::StrCat("session ", session_id_, " may go on: come back with ",
                                         "'nacre attach ", session_id_, "'");
  return WithDetailsOf(
      loss_->cause, absl::UnavailableError(absl::StrCat(
                        "lost the connection to ", target_.ToString(), ": ", cause, "; ", rest)));
}

// The one way a stream gets known; the caller holds write_mutex_.
void Process::Impl::SetStream(std::shared_ptr<SessionStream> stream) {
  stream_ = std::move(stream);
  const std::lock_guard lock(abandon_mutex_);
  abandonable_ = stream_;
  if (abandoned_) stream_->Cancel();
}

void Process::Impl::SleepUntil(Clock::time_point time) {
  std::unique_lock lock(abandon_mutex_);
  abandoned_changed_.wait_until(lock, time, [this] { return abandoned_.load(); });
}

void Process::Impl::Abandon() {
  const std::lock_guard lock(abandon_mutex_);
  abandoned_ = true;
  if (abandonable_ != nullptr) abandonable_->Cancel();
  abandoned_changed_.notify_all();
}

}  // namespace nacre::client
