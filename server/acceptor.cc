#include "server/acceptor.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <optional>

#include "base/log.h"
#include "net/peer.h"

namespace nacre {
namespace {

constexpr auto kFirstByteTimeout = std::chrono::seconds(5);
// A connection costs its descriptor and our copy of it.
constexpr size_t kFdsPerConnection = 2;
constexpr size_t kMaxConnections = 10'000;
// Lines about connections that were refused.
constexpr uint64_t kLogBurst = 10;
constexpr int64_t kLogPeriodNs = 10'000'000'000;

}  // namespace

Acceptor::Acceptor(asio::io_context& loop, FdBudget& budget, const Policy& policy,
                   Receiver receiver)
    : loop_(loop),
      policy_(policy),
      receiver_(std::move(receiver)),
      budget_(budget),
      refused_log_(kLogBurst, kLogPeriodNs),
      accept_loop_(loop, *this) {}

Acceptor::~Acceptor() = default;

void Acceptor::Listen(const Address& address, UniqueFd socket) {
  accept_loop_.Listen(address, std::move(socket));
}

void Acceptor::Stop() { accept_loop_.Stop(); }

void Acceptor::DropWaiting() { waiting_.clear(); }

void Acceptor::Cut() {
  DropWaiting();
  for (Connection& connection : admitted_) shutdown(connection.socket.native_handle(), SHUT_RDWR);
}

// Beyond the budget a connection is closed at once: its client sees that, and does not hang.
void Acceptor::OnConnection(const Address& listener, UniqueFd socket) {
  std::optional<FdBudget::Share> descriptors = MakeRoom();
  if (!descriptors.has_value()) return;
  std::optional<Identity> identity = Identify(listener, socket.get());
  if (!identity.has_value()) return;
  waiting_.push_back(Connection{*std::move(identity), *std::move(descriptors),
                                asio::posix::stream_descriptor(loop_, socket.release()),
                                asio::steady_timer(loop_)});
  AwaitFirstByte(std::prev(waiting_.end()));
}

void Acceptor::OnShortage() {
  if (!waiting_.empty()) waiting_.pop_front();
}

// Makes way for one more connection at the cost of the oldest that has not said a word.
std::optional<FdBudget::Share> Acceptor::MakeRoom() {
  const auto take = [this]() -> std::optional<FdBudget::Share> {
    if (waiting_.size() + admitted_.size() >= kMaxConnections) return std::nullopt;
    return budget_.Take(kFdsPerConnection);
  };
  std::optional<FdBudget::Share> share = take();
  if (!share.has_value() && !waiting_.empty()) {
    waiting_.pop_front();
    share = take();
  }
  if (!share.has_value() && refused_log_.Admit()) {
    log::Warning("connections are refused: %d are open (%d lines skipped)",
                 waiting_.size() + admitted_.size(), refused_log_.skipped());
  }
  return share;
}

std::optional<Identity> Acceptor::Identify(const Address& listener, int socket) {
  if (listener.kind == Address::Kind::kUnix) {
    const auto uid = PeerUid(socket);
    if (uid.has_value() && policy_.Admits(*uid)) return Identity::Local(*uid);
    if (refused_log_.Admit()) log::Warning("refused a connection of uid %d", uid.value_or(-1));
    return std::nullopt;
  }
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return Identity::Anonymous(PeerHost(socket));
}

void Acceptor::AwaitFirstByte(Connections::iterator connection) {
  connection->first_byte.expires_after(kFirstByteTimeout);
  connection->first_byte.async_wait([this, connection](std::error_code error) {
    if (!error && !connection->admitted) waiting_.erase(connection);
  });
  connection->socket.async_wait(asio::posix::stream_descriptor::wait_read,
                                [this, connection](std::error_code error) {
                                  if (!error) Admit(connection);
                                });
}

void Acceptor::Admit(Connections::iterator connection) {
  connection->first_byte.cancel();
  UniqueFd theirs(fcntl(connection->socket.native_handle(), F_DUPFD_CLOEXEC, 0));
  if (!theirs.valid()) {
    waiting_.erase(connection);
    return;
  }
  connection->admitted = true;
  admitted_.splice(admitted_.end(), waiting_, connection);
  AwaitHangUp(connection);
  if (!receiver_(connection->identity, std::move(theirs))) admitted_.erase(connection);
}

// gRPC shuts the socket down when it is done with it, and so does the peer by closing: either way
// our copy sees a hang-up.
void Acceptor::AwaitHangUp(Connections::iterator connection) {
  connection->socket.async_wait(asio::posix::stream_descriptor::wait_error,
                                [this, connection](std::error_code error) {
                                  if (error) return;
                                  if (PeerIsGone(connection->socket.native_handle())) {
                                    admitted_.erase(connection);
                                  } else {
                                    AwaitHangUp(connection);
                                  }
                                });
}

}  // namespace nacre
