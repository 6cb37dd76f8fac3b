#include "keeper/front.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/log.h"

namespace nacre::keeper {
namespace {

// Bytes of news in one datagram; one session's news is a few hundred bytes.
constexpr size_t kNewsBytes = seqpacket::kMaxDatagram / 2;
// What a front is told, and heard, in one turn at most, so that a busy one does not stop the pump.
constexpr int kDatagramsPerTurn = 16;
// Answers that it has yet to hear: with more of them it is not listened to.
constexpr size_t kMaxUntold = 1000;
// Turns that take more than the channel can hold.
constexpr int kLastTurns = 1000;
constexpr int64_t kPrepareNs = 30'000'000'000;
// How long a front that has closed its channel may take to leave.
constexpr int64_t kLeaveNs = 10'000'000'000;
constexpr uint64_t kLoggedRefusals = 20;

}  // namespace

Front::Front(FrontHost& host, FrontProcess process) : host_(host), process_(std::move(process)) {}

absl::Status Front::Watch() {
  absl::Status status = host_.loop().Add(process_.channel().get(), EPOLLIN, this, kChannel);
  status.Update(host_.loop().Add(process_.pidfd().get(), EPOLLIN, this, kExit));
  MustGoBy(MonotonicNs() + kPrepareNs);
  return status;
}

void Front::Greet(const v1::KeeperMessage& welcome, const std::vector<int>& fds, uint32_t version) {
  const absl::Status status =
      seqpacket::Send(process_.channel().get(), welcome.SerializeAsString(), fds);
  if (status.ok()) {
    version_ = version;
  } else {
    log::Error("welcome: %s", std::string(status.message()));
  }
}

void Front::HandOver(uint64_t next_session) {
  MustGoBy(0);
  handing_over_ = true;
  archived_over_ = false;
  archived_told_ = 0;
  next_session_ = next_session;
}

void Front::NoteServing() { serves_since_ = MonotonicNs(); }

int64_t Front::served_ns() const { return serves_since_ != 0 ? MonotonicNs() - serves_since_ : 0; }

void Front::OnEvent(uint32_t tag, uint32_t events) {
  if (tag == kChannel) {
    if (!connected()) return;
    if ((events & EPOLLOUT) != 0) {
      host_.loop().Modify(process_.channel().get(), EPOLLIN, this, kChannel);
    }
    Receive();
    return;
  }
  if (!how_.empty()) return;
  // What it said before it died still counts, to its last word. It hears no answers.
  for (int i = 0; i < kLastTurns && connected(); ++i) {
    told_.clear();
    wanted_logs_.clear();
    opened_.clear();
    Receive();
  }
  DropChannel();
  MustGoBy(0);
  host_.loop().Close(&process_.pidfd());
  how_ = process_.Reap();
  host_.OnFrontExit(*this);
}

void Front::OnTimer() {
  kill_at_ = 0;
  log::Error("front (pid %d) takes too long and is killed", pid());
  Kill(SIGKILL);
}

void Front::DropChannel() {
  host_.loop().Close(&process_.channel());
  handing_over_ = false;
  told_.clear();
  wanted_logs_.clear();
  opened_.clear();
  outgoing_ = {};
}

// It has broken the rules of the channel itself: nothing that follows can be trusted.
void Front::Break() {
  Kill(SIGKILL);
  DropChannel();
}

void Front::Refuse(const absl::Status& status) {
  if (++refusals_ <= kLoggedRefusals) {
    log::Error("refused a front's message: %s", std::string(status.message()));
  } else if (refusals_ % 1000 == 0) {
    log::Error("refused %d messages of this front", refusals_);
  }
}

void Front::Receive() {
  for (int i = 0; i < kDatagramsPerTurn && connected(); ++i) {
    if (told_.size() + wanted_logs_.size() + opened_.size() > kMaxUntold) return;
    auto received = seqpacket::Receive(process_.channel().get());
    if (received.ok()) {
      if (!received->has_value()) return;
      Handle(**std::move(received));
      continue;
    }
    if (!absl::IsOutOfRange(received.status())) {
      Refuse(received.status());
      Break();
      return;
    }
    // It has closed its channel, so it is on its way out.
    DropChannel();
    MustGoBy(MonotonicNs() + kLeaveNs);
  }
}

void Front::Handle(seqpacket::Datagram datagram) {
  v1::FrontMessage message;
  absl::Status status;
  if (!message.ParseFromString(datagram.bytes)) {
    status = absl::InvalidArgumentError("bytes that are no FrontMessage");
  } else if (version_ == 0 && (message.requests_size() == 0 || !message.requests(0).has_hello())) {
    status = absl::InvalidArgumentError("the first request is not hello");
  }
  if (!status.ok()) {
    Refuse(status);
    Break();  // no front of ours says such things
    return;
  }
  const bool wants_record = message.requests_size() == 1 && message.requests(0).has_spawn() &&
                            !message.requests(0).spawn().has_record();
  const UniqueFd* record_fd = nullptr;
  if (datagram.fds.size() == 1 && wants_record) record_fd = &datagram.fds[0];
  if (!datagram.fds.empty() && record_fd == nullptr) {
    Refuse(absl::InvalidArgumentError("descriptors that nothing asked for"));
  }
  for (const UniqueFd& fd : datagram.fds) {
    // The last one to close a socket may have to wait for its peer: not this one.
    const linger at_once{.l_onoff = 0, .l_linger = 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  }
  for (const v1::FrontRequest& request : message.requests()) {
    if (absl::Status result = host_.OnRequest(*this, request, record_fd); !result.ok()) {
      Refuse(result);
    }
    if (version_ == 0) Break();  // it was not greeted, so there is nothing else to hear from it
    if (!connected()) return;
  }
}

void Front::TellWith(v1::KeeperEvent event, UniqueFd fd) {
  if (!connected()) return;
  v1::KeeperMessage message;
  *message.add_events() = std::move(event);
  opened_.push_back({.bytes = message.SerializeAsString(), .fd = std::move(fd)});
}

void Front::TellNews(Session* session) {
  if (!std::exchange(session->queued_news, true)) news_.push_back(session);
}

void Front::Drop(Session* session) {
  if (std::exchange(session->queued_news, false)) std::erase(news_, session);
}

// One datagram at a time: what the channel had no room for is kept and goes first.
void Front::Flush() {
  if (!connected() || version_ == 0 || deaf_) return;
  for (int i = 0; i < kDatagramsPerTurn; ++i) {
    if (outgoing_.bytes.empty()) outgoing_ = TakeOutgoing();
    if (outgoing_.bytes.empty()) return;
    std::vector<int> fds;
    if (outgoing_.fd.valid()) fds.push_back(outgoing_.fd.get());
    const absl::Status status = seqpacket::Send(process_.channel().get(), outgoing_.bytes, fds);
    if (absl::IsUnavailable(status)) break;
    outgoing_ = {};
    if (status.ok()) continue;
    // It is gone, or as good as that. What it said before is still to be heard.
    deaf_ = true;
    Kill(SIGKILL);
    return;
  }
  // There may be more once it has room. A front that does not listen is not listened to either, so
  // that nothing piles up.
  host_.loop().Modify(process_.channel().get(), EPOLLOUT, this, kChannel);
}

Front::Outgoing Front::TakeOutgoing() {
  Outgoing outgoing{.bytes = TakeNews(), .fd = UniqueFd()};
  if (!outgoing.bytes.empty()) return outgoing;
  if (!opened_.empty()) {
    outgoing = std::move(opened_.front());
    opened_.pop_front();
    return outgoing;
  }
  if (wanted_logs_.empty()) return outgoing;
  v1::KeeperMessage message;
  outgoing.fd =
      host_.archive().OpenLog(wanted_logs_.front(), message.add_events()->mutable_log_opened());
  wanted_logs_.pop_front();
  outgoing.bytes = message.SerializeAsString();
  return outgoing;
}

// Adds as many archived sessions as there is room for; whether that was the last.
bool Front::OfferArchived(v1::KeeperMessage* message, size_t* bytes) {
  while (*bytes < kNewsBytes) {
    v1::KeeperEvent event;
    if (!host_.archive().DescribeNext(&archived_told_, event.mutable_adopted())) return true;
    *bytes += event.ByteSizeLong() + 8;
    *message->add_events() = std::move(event);
  }
  return false;
}

std::string Front::TakeNews() {
  v1::KeeperMessage message;
  size_t bytes = 0;
  while (!told_.empty() && bytes < kNewsBytes) {
    bytes += told_.front().ByteSizeLong() + 8;
    *message.add_events() = std::move(told_.front());
    told_.pop_front();
  }
  if (handing_over_ && !archived_over_) archived_over_ = OfferArchived(&message, &bytes);
  size_t taken = 0;
  for (; taken < news_.size() && bytes < kNewsBytes; ++taken) {
    Session* session = news_[taken];
    session->queued_news = false;
    const int before = message.events_size();
    session->TakeNews(&message);
    for (int i = before; i < message.events_size(); ++i) {
      bytes += message.events(i).ByteSizeLong() + 8;
    }
  }
  news_.erase(news_.begin(), news_.begin() + static_cast<ptrdiff_t>(taken));
  if (handing_over_ && archived_over_ &&
      std::none_of(news_.begin(), news_.end(),
                   [](const Session* session) { return session->offered(); })) {
    handing_over_ = false;
    message.add_events()->mutable_adoption_done()->set_next_session(next_session_);
  }
  return message.SerializeAsString();
}

}  // namespace nacre::keeper
