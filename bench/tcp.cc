#include "bench/tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace nacre::bench {
namespace {

constexpr timeval kPatience = {.tv_sec = 120, .tv_usec = 0};

absl::StatusOr<UniqueFd> Prepare(UniqueFd socket) {
  const int on = 1;
  if (setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
      setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience)) != 0 ||
      setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience)) != 0) {
    return absl::ErrnoToStatus(errno, "setsockopt");
  }
  return socket;
}

}  // namespace

absl::StatusOr<UniqueFd> ConnectTcp(const Address& address) {
  addrinfo hints = {};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = absl::StrCat(address.port);
  if (getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("no address: ", address.ToString()));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, freeaddrinfo);
  UniqueFd connection(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!connection.valid() || connect(connection.get(), found->ai_addr, found->ai_addrlen) != 0) {
    return absl::ErrnoToStatus(errno, address.ToString());
  }
  return Prepare(std::move(connection));
}

absl::StatusOr<LoopbackListener> LoopbackListener::Open() {
  LoopbackListener listener;
  listener.socket_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (!listener.socket_.valid() || bind(listener.fd(), generic, size) != 0 ||
      listen(listener.fd(), 1) != 0 || getsockname(listener.fd(), generic, &size) != 0) {
    return absl::ErrnoToStatus(errno, "a listening socket on loopback");
  }
  listener.address_.port = ntohs(address.sin_port);
  return listener;
}

absl::StatusOr<UniqueFd> LoopbackListener::Accept() const {
  UniqueFd connection(accept4(fd(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!connection.valid()) return absl::ErrnoToStatus(errno, "accept");
  return Prepare(std::move(connection));
}

}  // namespace nacre::bench
