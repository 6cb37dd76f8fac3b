#include "keeper/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "absl/strings/str_format.h"

namespace nacre::keeper {
namespace {

// Name of the directory that the default sockets are in.
constexpr char kOwnDirectory[] = "nacre";
constexpr int kBacklog = 4096;  // clamped by net.core.somaxconn

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t length = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress ToSocketAddress(const Address& address) {
  SocketAddress result;
  if (address.kind == Address::Kind::kUnix) {
    auto* un = reinterpret_cast<sockaddr_un*>(&result.storage);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, address.path.c_str(), address.path.size() + 1);
    result.length = sizeof(*un);
  } else if (auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage);
             inet_pton(AF_INET, address.host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(address.port);
    result.length = sizeof(*v4);
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage);
    inet_pton(AF_INET6, address.host.c_str(), &v6->sin6_addr);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(address.port);
    result.length = sizeof(*v6);
  }
  return result;
}

std::string DirectoryOf(const Address& address) {
  const std::string parent = std::filesystem::path(address.path).parent_path();
  return parent.empty() ? "." : parent;
}

// Nobody but its owner and root may put something else in the place of what is in it.
absl::Status CheckDirectory(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return absl::ErrnoToStatus(errno, path);
  const bool ours = info.st_uid == 0 || info.st_uid == geteuid();
  if (ours && ((info.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (info.st_mode & S_ISVTX) != 0)) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(absl::StrFormat(
      "%s: others could put a socket of their own in there; choose a directory that only you can "
      "write",
      path));
}

// Makes way for a Unix socket: a socket file that nobody serves is removed.
absl::Status PrepareUnixPath(const Address& address, bool* made_directory) {
  const std::string parent = DirectoryOf(address);
  *made_directory = mkdir(parent.c_str(), 0700) == 0;
  if (!*made_directory && errno != EEXIST) return absl::ErrnoToStatus(errno, parent);
  struct stat directory;
  // One of an earlier run, of one that was killed perhaps.
  if (!*made_directory && lstat(parent.c_str(), &directory) == 0) {
    const mode_t mode = directory.st_mode & 07777;
    *made_directory = std::filesystem::path(parent).filename() == kOwnDirectory &&
                      directory.st_uid == geteuid() && (mode == 0700 || mode == 0710);
  }
  if (absl::Status status = CheckDirectory(parent); !status.ok()) return status;
  struct stat info;
  if (lstat(address.path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus() : absl::ErrnoToStatus(errno, address.path);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::AlreadyExistsError(absl::StrFormat("%s exists and is not a socket", address.path));
  }
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  SocketAddress peer = ToSocketAddress(address);
  if (connect(probe.get(), peer.get(), peer.length) == 0 || errno != ECONNREFUSED) {
    return absl::UnavailableError(
        absl::StrFormat("%s: another daemon serves this address", address.ToString()));
  }
  if (unlink(address.path.c_str()) != 0) return absl::ErrnoToStatus(errno, address.path);
  return absl::OkStatus();
}

// Sets group and mode of what is there under that name, if it is of that type: never of what a link
// leads to.
absl::Status GiveTo(const std::string& path, mode_t type, gid_t group, mode_t mode) {
  const UniqueFd fd(open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat info;
  if (!fd.valid() || fstat(fd.get(), &info) != 0) return absl::ErrnoToStatus(errno, path);
  if ((info.st_mode & S_IFMT) != type) {
    return absl::FailedPreconditionError(absl::StrFormat("%s is not what it was any more", path));
  }
  const std::string itself = absl::StrFormat("/proc/self/fd/%d", fd.get());
  if (fchownat(fd.get(), "", static_cast<uid_t>(-1), group, AT_EMPTY_PATH) != 0 ||
      chmod(itself.c_str(), mode) != 0) {
    return absl::ErrnoToStatus(errno, path);
  }
  return absl::OkStatus();
}

uint16_t BoundPort(int fd) {
  SocketAddress bound;
  bound.length = sizeof(bound.storage);
  if (getsockname(fd, bound.get(), &bound.length) != 0) return 0;
  return bound.storage.ss_family == AF_INET
             ? ntohs(reinterpret_cast<sockaddr_in*>(&bound.storage)->sin_port)
             : ntohs(reinterpret_cast<sockaddr_in6*>(&bound.storage)->sin6_port);
}

}  // namespace

absl::StatusOr<Listener> Listener::Open(const Address& address) {
  const bool is_unix = address.kind == Address::Kind::kUnix;
  bool made_directory = false;
  if (is_unix) {
    if (absl::Status status = PrepareUnixPath(address, &made_directory); !status.ok()) {
      return status;
    }
  }
  SocketAddress target = ToSocketAddress(address);
  UniqueFd fd(socket(target.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, address.ToString());
  const int on = 1;
  if (!is_unix) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const mode_t before = umask(0177);
  const int bound = bind(fd.get(), target.get(), target.length);
  const int bind_error = errno;
  umask(before);
  if (bound != 0) {
    if (bind_error == EADDRINUSE) {
      return absl::UnavailableError(
          absl::StrFormat("%s: another process serves this address", address.ToString()));
    }
    return absl::ErrnoToStatus(bind_error, address.ToString());
  }
  if (listen(fd.get(), kBacklog) != 0) return absl::ErrnoToStatus(errno, address.ToString());
  Address actual = address;
  if (!is_unix) actual.port = BoundPort(fd.get());
  return Listener(address, std::move(actual), made_directory, std::move(fd));
}

absl::Status Listener::ShareWith(std::optional<gid_t> group) const {
  if (address_.kind != Address::Kind::kUnix) return absl::OkStatus();
  const gid_t owner = group.value_or(getegid());
  if (made_directory_) {
    absl::Status status =
        GiveTo(DirectoryOf(address_), S_IFDIR, owner, group.has_value() ? 0710 : 0700);
    if (!status.ok()) return status;
  }
  return GiveTo(address_.path, S_IFSOCK, owner, group.has_value() ? 0660 : 0600);
}

Listener::~Listener() {
  if (fd_.valid() && address_.kind == Address::Kind::kUnix) unlink(address_.path.c_str());
}

absl::StatusOr<UniqueFd> LockDirectory(const std::string& directory) {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::path(directory).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(errno, directory);
  }
  const std::string path = directory + "/lock";
  UniqueFd lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.valid()) return absl::ErrnoToStatus(errno, path);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return absl::ErrnoToStatus(errno, path);
    return absl::UnavailableError(
        absl::StrFormat("%s: another daemon uses this state directory", directory));
  }
  return lock;
}

absl::Status MakeDirectory(const std::string& path, const std::optional<Credentials>& owner) {
  struct stat info;
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return absl::ErrnoToStatus(errno, path);
  if (lstat(path.c_str(), &info) != 0) return absl::ErrnoToStatus(errno, path);
  if (!S_ISDIR(info.st_mode)) {
    return absl::AlreadyExistsError(absl::StrFormat("%s exists and is no directory", path));
  }
  if (owner.has_value() && lchown(path.c_str(), owner->uid, owner->gid) != 0) {
    return absl::ErrnoToStatus(errno, path);
  }
  return absl::OkStatus();
}

}  // namespace nacre::keeper
