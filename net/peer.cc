#include "net/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

namespace nacre {

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
  const std::string host = text;
  return host.starts_with("127.") ? "127.0.0.1" : host;
}

bool PeerIsGone(int socket) {
  pollfd events{.fd = socket, .events = POLLPRI, .revents = 0};
  return poll(&events, 1, 0) > 0;
}

}  // namespace nacre
