#include "base/seqpacket.h"

#include <errno.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>

namespace nacre::seqpacket {

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> Pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair");
  }
  return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

absl::Status Send(int socket, std::string_view bytes, const std::vector<int>& fds) {
  iovec data{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))] = {};
  if (!fds.empty()) {
    if (fds.size() > kMaxFds) return absl::InvalidArgumentError("too many descriptors");
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return absl::OkStatus();
  if (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS)
    return absl::UnavailableError("channel full");
  return absl::Status(absl::StatusCode::kInternal, absl::ErrnoToStatus(errno, "sendmsg").message());
}

absl::StatusOr<std::optional<Datagram>> Receive(int socket) {
  // One buffer per thread: a datagram is received for every few events of a busy node.
  thread_local const std::unique_ptr<char[]> buffer(new char[kMaxDatagram]);
  iovec data{buffer.get(), kMaxDatagram};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))];
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t received;
  do {
    received = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    // A peer that died with datagrams unread is told as ECONNRESET, once, and before what it had
    // sent; that comes next, and then the end.
  } while (received < 0 && (errno == EINTR || errno == ECONNRESET));
  if (received < 0) {
    if (errno == EAGAIN) return std::nullopt;
    return absl::ErrnoToStatus(errno, "recvmsg");
  }
  Datagram datagram;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
      datagram.fds.emplace_back(fd);
    }
  }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return absl::DataLossError("datagram too big");
  }
  // Neither side ever sends an empty datagram: on a SEQPACKET socket zero bytes are the end.
  if (received == 0) return absl::OutOfRangeError("peer closed");
  datagram.bytes.assign(buffer.get(), received);
  return datagram;
}

}  // namespace nacre::seqpacket
