#include "server/acceptor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>

#include "base/log.h"

namespace nacre {
namespace {

constexpr auto kFirstByteTimeout = std::chrono::seconds(5);
constexpr auto kAcceptRetry = std::chrono::milliseconds(50);
// Connections accepted in one turn of the loop.
constexpr int kAcceptsPerTurn = 64;
// A connection costs its descriptor and our copy of it; the rest of the front needs some dozens.
constexpr size_t kFdsPerConnection = 2;
constexpr size_t kOwnFds = 48;
constexpr size_t kMaxConnections = 10'000;

size_t ConnectionBudget() {
  rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  const size_t left = files.rlim_cur > kOwnFds ? files.rlim_cur - kOwnFds : 0;
  return std::clamp(left / kFdsPerConnection, size_t{4}, kMaxConnections);
}

int OpenReserve() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

std::optional<uint32_t> PeerUid(int socket) {
  ucred peer;
  socklen_t length = sizeof(peer);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return std::nullopt;
  return peer.uid;
}

std::string PeerHost(int socket) {
  sockaddr_storage peer{};
  socklen_t length = sizeof(peer);
  getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &length);
  char text[INET6_ADDRSTRLEN] = "?";
  if (peer.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(&peer)->sin_addr, text, sizeof(text));
  } else if (peer.ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6*>(&peer)->sin6_addr, text, sizeof(text));
  }
  return text;
}

}  // namespace

Acceptor::Acceptor(asio::io_context& loop, uint32_t owner_uid, Receiver receiver)
    : loop_(loop),
      owner_uid_(owner_uid),
      receiver_(std::move(receiver)),
      max_connections_(ConnectionBudget()),
      reserve_(OpenReserve()) {}

Acceptor::~Acceptor() = default;

void Acceptor::Listen(const Address& address, UniqueFd socket) {
  listeners_.push_back(Listener{address, asio::posix::stream_descriptor(loop_, socket.release()),
                                asio::steady_timer(loop_)});
  AwaitConnection(listeners_.back());
}

void Acceptor::Stop() {
  listeners_.clear();
  waiting_.clear();
}

void Acceptor::AwaitConnection(Listener& listener) {
  listener.socket.async_wait(asio::posix::stream_descriptor::wait_read,
                             [this, &listener](std::error_code error) {
                               if (!error) AcceptAll(listener);
                             });
}

void Acceptor::AcceptAll(Listener& listener) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    UniqueFd socket(
        accept4(listener.socket.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid()) {
      if (errno == EAGAIN) break;
      if (errno == ECONNABORTED || errno == EINTR) continue;
      OnAcceptFailure(listener, errno);
      return;
    }
    // Beyond the budget a connection is closed at once: its client sees that, and does not hang.
    if (MakeRoom()) Add(listener.address, std::move(socket));
  }
  AwaitConnection(listener);
}

// Out of descriptors or memory: closes what waits in the queue with the reserve, and goes on later.
void Acceptor::OnAcceptFailure(Listener& listener, int error) {
  log::Warning("%s: accept: %s", listener.address.ToString(), strerror(error));
  if (!waiting_.empty()) waiting_.pop_front();
  reserve_.reset();
  UniqueFd(accept4(listener.socket.native_handle(), nullptr, nullptr, SOCK_CLOEXEC)).reset();
  reserve_.reset(OpenReserve());
  listener.retry.expires_after(kAcceptRetry);
  listener.retry.async_wait([this, &listener](std::error_code wait_error) {
    if (!wait_error) AcceptAll(listener);
  });
}

// Makes way for one more connection at the cost of the oldest that has not said a word.
bool Acceptor::MakeRoom() {
  if (waiting_.size() + admitted_.size() < max_connections_) return true;
  if (waiting_.empty()) {
    log::Warning("a connection is refused: %d are open", admitted_.size());
    return false;
  }
  waiting_.pop_front();
  return true;
}

void Acceptor::Add(const Address& address, UniqueFd socket) {
  Identity identity;
  if (address.kind == Address::Kind::kUnix) {
    const auto uid = PeerUid(socket.get());
    if (!uid.has_value() || (*uid != owner_uid_ && *uid != 0)) {
      log::Warning("refused a connection of uid %d", uid.value_or(-1));
      return;
    }
    identity = Identity::Local(*uid);
  } else {
    const std::string host = PeerHost(socket.get());
    // All of 127.0.0.0/8 is this machine, and one caller.
    identity = Identity::Anonymous(host.starts_with("127.") ? "127.0.0.1" : host);
    const int on = 1;
    setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  waiting_.push_back(Connection{std::move(identity),
                                asio::posix::stream_descriptor(loop_, socket.release()),
                                asio::steady_timer(loop_)});
  AwaitFirstByte(std::prev(waiting_.end()));
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
  // gRPC shuts the socket down when it is done with it, and so does the peer by closing: either way
  // our copy sees a hang-up.
  connection->socket.async_wait(asio::posix::stream_descriptor::wait_error,
                                [this, connection](std::error_code error) {
                                  if (!error) admitted_.erase(connection);
                                });
  if (!receiver_(connection->identity, std::move(theirs))) admitted_.erase(connection);
}

}  // namespace nacre
