#include "client/connect_error.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <system_error>
#include <thread>

#include "absl/strings/str_cat.h"

namespace nacre::client {
namespace {

constexpr int kConnectMilliseconds = 1000;
// A node that doesn't admit us closes at once; one that does waits for us to speak, and one whose
// front end goes meanwhile closes at any moment.
constexpr int kRefusalMilliseconds = 50;
// So often in a row it means that; once or twice, that its front end just went.
constexpr int kRefusals = 5;
constexpr auto kRefusalPause = std::chrono::milliseconds(50);

std::string ErrorText(int error) { return std::generic_category().message(error); }

class Socket {
 public:
  explicit Socket(int family)
      : fd_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }

  // Returns 0 or the errno.
  int Connect(const sockaddr* address, socklen_t size) {
    if (fd_ < 0) return errno;
    if (::connect(fd_, address, size) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    pollfd waiting{.fd = fd_, .events = POLLOUT};
    if (::poll(&waiting, 1, kConnectMilliseconds) <= 0) return ETIMEDOUT;
    int error = 0;
    socklen_t error_size = sizeof error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &error_size);
    return error;
  }

  bool PeerCloses() {
    pollfd waiting{.fd = fd_, .events = POLLIN};
    if (::poll(&waiting, 1, kRefusalMilliseconds) <= 0) return false;
    char byte = 0;
    return ::recv(fd_, &byte, 1, MSG_PEEK) <= 0;
  }

 private:
  int fd_;
};

// What a plain connection meets; empty when it holds.
std::string Probe(int family, const sockaddr* address, socklen_t size) {
  for (int i = 0; i < kRefusals; ++i) {
    Socket socket(family);
    const int error = socket.Connect(address, size);
    if (error == ENOENT || error == ECONNREFUSED) {
      return absl::StrCat(ErrorText(error), " (is nacred running?)");
    }
    if (error == EAGAIN) return "";  // somebody is there, and has many to let in before
    if (error != 0) return ErrorText(error);
    if (!socket.PeerCloses()) return "";
    std::this_thread::sleep_for(kRefusalPause);
  }
  return absl::StrCat("the other side closes the connection at once (does it admit uid ",
                      ::getuid(), "?)");
}

std::string ProbeUnix(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX};
  std::memcpy(address.sun_path, path.data(), path.size());
  return Probe(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

std::string ProbeTcp(const Target& target) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(target.host.c_str(), std::to_string(target.port).c_str(), &hints, &found);
  if (error != 0) return ::gai_strerror(error);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, &::freeaddrinfo);
  std::string cause;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    cause = Probe(one->ai_family, one->ai_addr, one->ai_addrlen);
    if (cause.empty()) break;
  }
  return cause;
}

}  // namespace

std::string WhyNoConnection(const Target& target) {
  return target.path.empty() ? ProbeTcp(target) : ProbeUnix(target.path);
}

absl::Status ExplainNoConnection(const Target& target, const std::string& otherwise) {
  const std::string cause = WhyNoConnection(target);
  return absl::UnavailableError(absl::StrCat("cannot connect to ", target.ToString(), ": ",
                                             cause.empty() ? otherwise : cause));
}

}  // namespace nacre::client
