#include "files/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace nacre::files {
namespace {

// PATH_MAX without the NUL.
constexpr size_t kMaxPath = 4095;

// RESOLVE_BENEATH gives up with EAGAIN when anything is renamed while it looks at "..".
constexpr int kTries = 256;

Outcome CheckPath(const std::string& path) {
  if (path.find('\0') != std::string::npos) return BadRequest();
  if (path.size() > kMaxPath) return BadRequest(ENAMETOOLONG);
  return {};
}

// -1 and errno.
int OpenAt(int directory, const std::string& path, int flags, uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = resolve | RESOLVE_NO_MAGICLINKS;
  long fd = -1;
  for (int tries = 0; tries < kTries; ++tries) {
    fd = syscall(SYS_openat2, directory, path.c_str(), &how, sizeof(how));
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
  }
  return static_cast<int>(fd);
}

}  // namespace

Result<Resolver> Resolver::For(const v1::Path& path) {
  if (path.path().empty()) return BadRequest();
  if (const Outcome bad = CheckPath(path.path()); !bad.ok()) return bad;
  if (path.root().empty()) return Resolver(UniqueFd(), path.path());
  if (const Outcome bad = CheckPath(path.root()); !bad.ok()) return bad;
  UniqueFd root(OpenAt(AT_FDCWD, path.root(), O_PATH | O_DIRECTORY, 0));
  if (!root.valid()) {
    const Outcome failed = Errno();
    return failed.failure == v1::FAILURE_UNSPECIFIED ? Outcome{failed.error, v1::FAILURE_ROOT}
                                                     : failed;
  }
  const size_t begin = path.path().find_first_not_of('/');
  return Resolver(std::move(root),
                  begin == std::string::npos ? std::string(".") : path.path().substr(begin));
}

Result<UniqueFd> Resolver::Open(std::string_view path, int flags) const {
  const bool bound = root_.valid();
  UniqueFd fd(OpenAt(bound ? root_.get() : AT_FDCWD, std::string(path), flags,
                     bound ? RESOLVE_BENEATH : 0));
  if (fd.valid()) return fd;
  if (bound && errno == EXDEV) return Outcome{EXDEV, v1::FAILURE_OUTSIDE_ROOT};
  return Errno();
}

Result<Place> Resolver::Locate(std::string_view path) const {
  const std::string_view name = LastComponent(path);
  if (name == "/" || name == "." || name == "..") return Errno(EINVAL);
  Place place{.name = std::string(name), .slash = path.back() == '/'};
  // What stands before the name; of "/name" the slash.
  std::string_view parent = path.substr(0, name.data() - path.data());
  if (parent.empty()) parent = ".";
  Result<UniqueFd> directory = Open(parent, O_PATH | O_DIRECTORY);
  if (!directory.ok()) return directory.outcome();
  place.directory = *std::move(directory);
  return place;
}

Result<UniqueFd> OpenPath(const v1::Path& path, int flags) {
  const Result<Resolver> resolver = Resolver::For(path);
  if (!resolver.ok()) return resolver.outcome();
  return resolver->Open(resolver->path(), flags);
}

Result<Place> LocatePath(const v1::Path& path) {
  const Result<Resolver> resolver = Resolver::For(path);
  if (!resolver.ok()) return resolver.outcome();
  return resolver->Locate(resolver->path());
}

std::string_view LastComponent(std::string_view path) {
  const size_t last = path.find_last_not_of('/');
  if (last == std::string_view::npos) return "/";
  path = path.substr(0, last + 1);
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

std::string ProcPath(int fd) { return absl::StrCat("/proc/self/fd/", fd); }

Result<UniqueFd> Reopen(int fd, int flags) {
  UniqueFd opened(open(ProcPath(fd).c_str(), flags | O_CLOEXEC));
  if (!opened.valid()) return Errno();
  return opened;
}

Outcome CheckServedByKernel(int fd) {
  struct statfs system;
  if (fstatfs(fd, &system) != 0) return Errno();
  return system.f_type == FUSE_SUPER_MAGIC ? Errno(EOPNOTSUPP) : Outcome();
}

}  // namespace nacre::files
