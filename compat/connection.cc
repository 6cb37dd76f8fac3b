#include "compat/connection.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "compat/challenge.h"
#include "compat/transcoder.h"
#include "net/peer.h"

namespace nacre::compat {
namespace {

// What text without a length waits for where more could belong to it.
constexpr auto kSilence = std::chrono::milliseconds(20);
// For the answer to a challenge.
constexpr auto kProvingTime = std::chrono::seconds(10);
// From a request's first byte to its last.
constexpr auto kRequestTime = std::chrono::seconds(60);
// How long a client that we leave is listened to, so that no reset overtakes the last reply.
constexpr auto kPartingTime = std::chrono::seconds(2);
// Bytes of one recv.
constexpr size_t kReceiveBytes = 16 * 1024;
// A client that closed its socket while its command runs looks like one that only half-closed it.
// Its kernel forgets it (tcp_fin_timeout, 60 s) and then answers a probe with a reset.
constexpr int kProbeIdleSeconds = 30;
constexpr int kProbeIntervalSeconds = 15;
constexpr int kProbes = 4;

void SetOptions(int socket) {
  const auto set = [socket](int level, int name, int value) {
    setsockopt(socket, level, name, &value, sizeof(value));
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kProbeIdleSeconds);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kProbeIntervalSeconds);
  set(IPPROTO_TCP, TCP_KEEPCNT, kProbes);
}

// What the peer's kernel has not acknowledged yet.
int UnsentBytes(int socket) {
  int bytes = 0;
  ioctl(socket, SIOCOUTQ, &bytes);
  return bytes;
}

std::string DialectName(const CompatListener& options) {
  return std::string(ToString(options.dialect));
}

std::chrono::nanoseconds OrForever(int64_t ns) {
  constexpr int64_t kForeverNs = int64_t{365} * 24 * 3600 * 1'000'000'000;
  return std::chrono::nanoseconds(ns == 0 ? kForeverNs : ns);
}

}  // namespace

Connection::Connection(Services& services, Owner& owner, uint64_t serial, const Listener& listener,
                       FdBudget::Share descriptor, asio::posix::stream_descriptor socket)
    : services_(services),
      owner_(owner),
      serial_(serial),
      listener_(listener),
      options_(listener.options),
      dialect_(DialectOf(options_)),
      descriptor_(std::move(descriptor)),
      socket_(std::move(socket)),
      identity_(Identity::Anonymous(PeerHost(socket_.native_handle()), DialectName(options_))),
      decoder_(dialect_.NewDecoder(options_)),
      timer_(services.loop) {
  SetOptions(socket_.native_handle());
}

Connection::Standing Connection::standing() const {
  if (state_ == State::kProving) return Standing::kUnproven;
  return untried_ && challenge_.empty() ? Standing::kUntried : Standing::kServed;
}

void Connection::Start() {
  WatchForReset();
  if (listener_.secret.has_value()) {
    Challenge();
  } else {
    AwaitRequest();
  }
}

void Connection::Drain() {
  leaving_ = true;
  if (state_ == State::kReading || state_ == State::kProving) Close();
}

void Connection::Close() {
  if (std::exchange(state_, State::kClosed) == State::kClosed) return;
  buffer_ = {};
  TakeMemory();
  timer_.cancel();
  if (run_ != nullptr) std::exchange(run_, nullptr)->Abandon();
  if (sender_ != nullptr) std::exchange(sender_, nullptr)->Stop();
  // A disk thread may still hold a copy of the descriptor: the client need not wait for that.
  shutdown(socket_.native_handle(), SHUT_RDWR);
  std::error_code ignored;
  socket_.close(ignored);
  descriptor_ = FdBudget::Share();  // at once: what was cancelled still holds this object
  owner_.OnClosed(*this);
}

// Also what is out of band ends the connection: no old client sends that.
void Connection::WatchForReset() {
  socket_.async_wait(asio::posix::stream_descriptor::wait_error,
                     [self = shared_from_this()](std::error_code error) {
                       if (error) return;
                       if (PeerIsGone(self->socket_.native_handle())) {
                         self->Close();
                       } else {
                         self->WatchForReset();
                       }
                     });
}

void Connection::SetTimer(Clock::time_point time, std::function<void()> then) {
  timer_.expires_at(time);
  timer_.async_wait(
      [self = shared_from_this(), state = state_, then = std::move(then)](std::error_code error) {
        // It may have been set again when this call was already on its way.
        if (!error && self->state_ == state && Clock::now() >= self->timer_.expiry()) then();
      });
}

void Connection::AwaitReadable(std::function<void()> then) {
  if (std::exchange(on_readable_, std::move(then)) != nullptr) return;
  socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](std::error_code error) {
                       const auto on_readable = std::exchange(self->on_readable_, nullptr);
                       const bool wanted = self->state_ == State::kProving ||
                                           self->state_ == State::kReading ||
                                           self->state_ == State::kParting;
                       if (!error && wanted) on_readable();
                     });
}

// --- proving ------------------------------------------------------------------------------------

void Connection::Challenge() {
  state_ = State::kProving;
  auto challenge = NewChallenge();
  // A fresh socket has room for it.
  if (!challenge.ok() || send(socket_.native_handle(), challenge->data(), challenge->size(),
                              MSG_NOSIGNAL) != static_cast<ssize_t>(challenge->size())) {
    Close();
    return;
  }
  challenge_ = *std::move(challenge);
  SetTimer(Clock::now() + kProvingTime, [this] { Close(); });
  AwaitReadable([this] { OnAnswer(); });
}

void Connection::OnAnswer() {
  if (!Receive(kAnswerBytes)) {
    Close();
  } else if (buffer_.size() < kAnswerBytes) {
    if (ended_) {
      Close();
    } else {
      AwaitReadable([this] { OnAnswer(); });
    }
  } else if (!Proves(listener_.secret->bytes, challenge_, buffer_)) {
    services_.executor.AuditRefusal(identity_, "a wrong answer to the challenge");
    Close();
  } else {
    identity_ = Identity::SharedSecret(listener_.secret->name, PeerHost(socket_.native_handle()),
                                       DialectName(options_));
    buffer_.clear();
    AwaitRequest();
  }
}

// --- reading ------------------------------------------------------------------------------------

void Connection::AwaitRequest() {
  request_deadline_ = Clock::now() + OrForever(options_.idle_timeout_ns);
  AwaitBytes(false);
}

void Connection::Decode(Arrival arrival) {
  if (buffer_.empty()) {
    if (arrival == Arrival::kEnded) {
      Close();
    } else {
      AwaitBytes(false);
    }
    return;
  }
  Decoded decoded = decoder_->Decode(buffer_, arrival);
  switch (decoded.kind) {
    case Decoded::Kind::kIncomplete:
      AwaitBytes(false);
      break;
    case Decoded::Kind::kAwaitsSilence:
      AwaitBytes(true);
      break;
    case Decoded::Kind::kCommand:
      Consume(decoded.consumed);
      Execute(std::move(decoded.text));
      break;
    case Decoded::Kind::kRefused:
    case Decoded::Kind::kForeign:
      Refuse(decoded);
      break;
  }
}

void Connection::AwaitBytes(bool silence_decides) {
  state_ = State::kReading;
  if (leaving_) {
    Close();
    return;
  }
  const auto silence = Clock::now() + kSilence;
  if (silence_decides && silence < request_deadline_) {
    SetTimer(silence, [this] { OnSilence(); });
  } else {
    SetTimer(request_deadline_, [this] { Close(); });
  }
  AwaitReadable([this] { OnReadable(); });
}

void Connection::OnReadable() {
  if (!Receive(decoder_->max_bytes())) {
    Close();
  } else if (buffer_.empty() && !ended_) {
    AwaitBytes(false);  // woken for nothing
  } else {
    Decode(ended_ ? Arrival::kEnded : Arrival::kOpen);
  }
}

void Connection::OnSilence() {
  // We may have been late ourselves.
  const size_t before = buffer_.size();
  if (!Receive(decoder_->max_bytes())) {
    Close();
  } else if (ended_) {
    Decode(Arrival::kEnded);
  } else {
    Decode(buffer_.size() > before ? Arrival::kOpen : Arrival::kSilent);
  }
}

// Takes what has come, until `most` bytes are held. False: the connection is broken.
bool Connection::Receive(size_t most) {
  const bool first = buffer_.empty();
  while (!ended_ && buffer_.size() < most) {
    char bytes[kReceiveBytes];
    const size_t room = std::min(sizeof(bytes), most - buffer_.size());
    const ssize_t received = recv(socket_.native_handle(), bytes, room, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0 && errno == EAGAIN) break;
    if (received < 0) return false;
    ended_ = received == 0;
    buffer_.append(bytes, static_cast<size_t>(received));
    if (static_cast<size_t>(received) < room) break;
  }
  if (!TakeMemory()) return false;
  if (first && !buffer_.empty()) {
    request_deadline_ = std::min(request_deadline_, Clock::now() + kRequestTime);
  }
  return true;
}

void Connection::Consume(size_t bytes) {
  buffer_.erase(0, bytes);
  if (buffer_.empty()) buffer_.shrink_to_fit();  // many idle connections cost little
  TakeMemory();
}

// Enters what the buffer takes of what all requests may. False: that is too much.
bool Connection::TakeMemory() {
  services_.request_bytes_left += std::exchange(buffer_taken_, 0);
  while (buffer_.size() > services_.request_bytes_left) {
    if (!owner_.FreeRequestMemory(*this)) return false;
  }
  buffer_taken_ = buffer_.size();
  services_.request_bytes_left -= buffer_taken_;
  return true;
}

// --- a command ----------------------------------------------------------------------------------

void Connection::Execute(std::string command) {
  if (options_.encoding == CompatListener::Encoding::kGbk) {
    auto decoded = DecodeGbk(command);
    if (!decoded.ok()) {
      SendText(absl::StrFormat("nacre: %s\n", std::string(decoded.status().message())));
      return;
    }
    command = *std::move(decoded);
  }
  if (!options_.quit.empty() && command == options_.quit) {
    Part();
    return;
  }
  timer_.cancel();
  if (command.empty()) {
    SendText("");
    return;
  }
  untried_ = false;
  if (command.find('\0') != std::string::npos) {
    services_.executor.AuditRefusal(identity_, "the command holds a NUL byte");
    SendText("nacre: the command holds a NUL byte\n");
    return;
  }
  state_ = State::kRunning;
  const uint64_t most = std::min(options_.max_output, dialect_.max_reply());
  run_ = CommandRun::Start(services_, options_, most, identity_, std::move(command),
                           [self = shared_from_this()](CommandRun::Result result) {
                             self->OnResult(std::move(result));
                           });
}

void Connection::OnResult(CommandRun::Result result) {
  run_.reset();
  if (!result.status.ok()) {
    SendText(absl::StrFormat("nacre: %s\n", std::string(result.status.message())));
    return;
  }
  Reply reply;
  reply.lease.emplace(std::move(result.lease));
  Collected *first = &result.out, *second = &result.err;
  if (options_.order == CompatListener::Order::kErrOut) std::swap(first, second);
  if (options_.order == CompatListener::Order::kErrOrOut) {
    if (result.err.size() > 0) first = &result.err;
    second = nullptr;
  }
  uint64_t bytes = result.note.size();
  for (Collected* collected : {first, second}) {
    if (collected == nullptr) continue;
    bytes += collected->size();
    reply.Add(std::move(*collected));
  }
  reply.Add(std::move(result.note));
  SendReply(bytes, std::move(reply));
}

// --- answering ----------------------------------------------------------------------------------

void Connection::SendText(const std::string& text) {
  Reply reply;
  reply.Add(text);
  SendReply(text.size(), std::move(reply));
}

void Connection::SendReply(uint64_t bytes, Reply reply) {
  state_ = State::kSending;
  reply.pieces.insert(reply.pieces.begin(), Reply::Piece{.bytes = dialect_.ReplyHead(bytes)});
  ArmWriteTimeout();
  sender_ = ReplySender::Send(
      services_, socket_, std::move(reply),
      {.on_progress = [this] { ArmWriteTimeout(); }, .on_done = [this](bool ok) { OnSent(ok); }});
}

void Connection::ArmWriteTimeout() {
  const int queued = UnsentBytes(socket_.native_handle());
  SetTimer(Clock::now() + OrForever(options_.write_timeout_ns), [this, queued] {
    // The socket may hold megabytes: it takes more only once a good part of them is gone.
    if (UnsentBytes(socket_.native_handle()) < queued) {
      ArmWriteTimeout();
    } else {
      Reset();
    }
  });
}

// Closes without waiting for the client to take what the kernel still holds for it.
void Connection::Reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  Close();
}

void Connection::OnSent(bool ok) {
  const std::shared_ptr<Connection> self = shared_from_this();
  sender_.reset();
  if (!ok) {
    Close();
  } else if (parting_ || leaving_) {
    Part();
  } else {
    const auto now = Clock::now();
    request_deadline_ = now + OrForever(options_.idle_timeout_ns);
    if (!buffer_.empty()) request_deadline_ = std::min(request_deadline_, now + kRequestTime);
    state_ = State::kReading;
    Decode(ended_ ? Arrival::kEnded : Arrival::kOpen);
  }
}

// --- refusing -----------------------------------------------------------------------------------

void Connection::Refuse(const Decoded& refused) {
  services_.executor.AuditRefusal(identity_, refused.text);
  buffer_.clear();
  TakeMemory();
  parting_ = true;
  if (refused.kind == Decoded::Kind::kForeign) {
    Part();
  } else {
    SendText(absl::StrFormat("nacre: %s\n", refused.text));
  }
}

void Connection::Part() {
  state_ = State::kParting;
  shutdown(socket_.native_handle(), SHUT_WR);
  SetTimer(Clock::now() + kPartingTime, [this] { Close(); });
  DropBytes();
}

void Connection::DropBytes() {
  AwaitReadable([this] {
    char bytes[kReceiveBytes];
    const ssize_t received = recv(socket_.native_handle(), bytes, sizeof(bytes), 0);
    if (received == 0 || (received < 0 && errno != EAGAIN && errno != EINTR)) {
      Close();
    } else {
      DropBytes();
    }
  });
}

}  // namespace nacre::compat
