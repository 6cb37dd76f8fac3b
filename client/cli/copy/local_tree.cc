#include "client/cli/copy/local_tree.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "client/cli/copy/job.h"
#include "client/cli/remote_path.h"
#include "client/file_hash.h"

namespace nacre::cli {
namespace {

constexpr char kPrefix[] = ".nacre-download-";
constexpr mode_t kPrivate = 0600;
constexpr char kBusy[] = "another nacre is copying it to here";
// Of a directory that is being made. Nobody else has use for a sticky bit here, so it is a mark.
constexpr mode_t kMaking = 01700;

// The name that a file of this name has until it takes its own: the same on every run, so that a
// later one finds what an earlier one has left.
std::string TemporaryId(std::string_view name) {
  client::FileHash hash;
  hash.Add(name);
  return absl::BytesToHexString(hash.Canonical().substr(0, 8));
}

std::string TemporaryName(std::string_view name) {
  return absl::StrCat(kPrefix, TemporaryId(name));
}

// Removes what a run of ours that was killed has left under a temporary name.
absl::Status RemoveStale(int directory, const std::string& temporary) {
  struct stat found {};
  if (::fstatat(directory, temporary.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
    return LocalError(errno);
  }
  const bool file = S_ISREG(found.st_mode);
  if ((!file && !S_ISLNK(found.st_mode)) || found.st_uid != ::geteuid()) {
    return absl::FailedPreconditionError(absl::StrCat(temporary, " is in the way, and not ours"));
  }
  if (file) {
    const UniqueFd fd(
        ::openat(directory, temporary.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (fd.valid() && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      return absl::FailedPreconditionError(kBusy);
    }
  }
  return ::unlinkat(directory, temporary.c_str(), 0) == 0 ? absl::OkStatus() : LocalError(errno);
}

absl::Status CheckName(std::string_view name) {
  if (IsEntryName(name)) return absl::OkStatus();
  return absl::InvalidArgumentError("the node calls a file by a name that none can have");
}

// Only a regular file or a link may give way to a file.
absl::Status CheckReplaceable(int directory, const std::string& name) {
  if (absl::Status status = CheckName(name); !status.ok()) return status;
  struct stat found {};
  if (::fstatat(directory, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? absl::OkStatus() : LocalError(errno);
  }
  if (S_ISREG(found.st_mode) || S_ISLNK(found.st_mode)) return absl::OkStatus();
  return absl::FailedPreconditionError(S_ISDIR(found.st_mode)
                                           ? "is a directory here, and not replaced by a file"
                                           : "is a special file here, and not replaced");
}

timespec ToTimespec(std::optional<absl::Time> time) {
  return time.has_value() ? absl::ToTimespec(*time) : timespec{.tv_sec = 0, .tv_nsec = UTIME_OMIT};
}

}  // namespace

LocalFile::LocalFile(LocalFile&& other) noexcept
    : directory_(other.directory_),
      name_(std::move(other.name_)),
      temporary_(std::exchange(other.temporary_, "")),
      fd_(std::move(other.fd_)),
      size_(other.size_),
      kept_(other.kept_) {}

LocalFile::~LocalFile() {
  if (!temporary_.empty() && !kept()) (void)::unlinkat(directory_, temporary_.c_str(), 0);
}

absl::Status LocalFile::Write(std::string_view data) {
  while (!data.empty()) {
    const ssize_t written =
        ::pwrite(fd_.get(), data.data(), data.size(), static_cast<off_t>(size_));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return LocalError(errno);
    size_ += static_cast<uint64_t>(written);
    data.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status LocalFile::Hole(uint64_t bytes) {
  if (bytes > INT64_MAX - size_) return LocalError(EFBIG);
  size_ += bytes;
  // At once: the size of what is kept says where to go on.
  return ::ftruncate(fd_.get(), static_cast<off_t>(size_)) == 0 ? absl::OkStatus()
                                                                : LocalError(errno);
}

absl::Status LocalFile::Commit(uint32_t mode, std::optional<absl::Time> modify_time) {
  if (::fchmod(fd_.get(), mode) != 0) return LocalError(errno);
  const std::array<timespec, 2> times = {ToTimespec(std::nullopt), ToTimespec(modify_time)};
  if (modify_time.has_value() && ::futimens(fd_.get(), times.data()) != 0) return LocalError(errno);
  return TakeName();
}

absl::Status LocalFile::TakeName() {
  if (temporary_.empty()) {
    // A file without a name can take one that is free, but not one that is taken.
    const std::string self = absl::StrCat("/proc/self/fd/", fd_.get());
    if (::linkat(AT_FDCWD, self.c_str(), directory_, name_.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      return absl::OkStatus();
    }
    if (errno != EEXIST) return LocalError(errno);
    const std::string name = TemporaryName(name_);
    (void)::flock(fd_.get(), LOCK_EX | LOCK_NB);
    if (::linkat(AT_FDCWD, self.c_str(), directory_, name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      if (errno != EEXIST) return LocalError(errno);
      if (absl::Status status = RemoveStale(directory_, name); !status.ok()) return status;
      if (::linkat(AT_FDCWD, self.c_str(), directory_, name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
        return LocalError(errno);
      }
    }
    temporary_ = name;
  }
  if (absl::Status status = CheckReplaceable(directory_, name_); !status.ok()) return status;
  if (::renameat(directory_, temporary_.c_str(), directory_, name_.c_str()) != 0) {
    return LocalError(errno);
  }
  temporary_.clear();
  return absl::OkStatus();
}

absl::StatusOr<std::string> LocalFile::Checksum() const {
  client::FileHash hash;
  std::string buffer(64 << 10, '\0');
  for (;;) {
    const ssize_t bytes =
        ::pread(fd_.get(), buffer.data(), buffer.size(), static_cast<off_t>(hash.bytes()));
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return LocalError(errno);
    if (bytes == 0) return hash.Canonical();
    hash.Add({buffer.data(), static_cast<size_t>(bytes)});
  }
}

absl::StatusOr<LocalDirectory> LocalDirectory::Open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return LocalError(errno);
  return LocalDirectory(std::move(fd));
}

absl::StatusOr<LocalDirectory> LocalDirectory::Enter(const std::string& name,
                                                     bool* unfinished) const {
  if (absl::Status status = CheckName(name); !status.ok()) return status;
  *unfinished = ::mkdirat(fd_.get(), name.c_str(), kMaking) == 0;
  if (!*unfinished && errno != EEXIST) return LocalError(errno);
  UniqueFd fd(::openat(fd_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.valid()) {
    struct stat found {};
    if (::fstat(fd.get(), &found) != 0) return LocalError(errno);
    *unfinished |= found.st_uid == ::geteuid() && (found.st_mode & 01777) == kMaking;
    return LocalDirectory(std::move(fd));
  }
  if (errno == ENOTDIR || errno == ELOOP) {
    return absl::FailedPreconditionError("is no directory here, and not replaced by one");
  }
  return LocalError(errno);
}

absl::StatusOr<LocalFile> LocalDirectory::Create(const std::string& name) const {
  if (absl::Status status = CheckReplaceable(fd_.get(), name); !status.ok()) return status;
  LocalFile file(fd_.get(), name);
  // Without a name nothing can be left behind, whatever becomes of us.
  file.fd_.reset(::openat(fd_.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, kPrivate));
  if (file.fd_.valid()) return file;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) return LocalError(errno);
  return OpenNamed(name, TemporaryId(name), /*resume=*/false, /*kept=*/false);
}

absl::StatusOr<LocalFile> LocalDirectory::OpenPartial(const std::string& name,
                                                      const std::string& id, bool resume) const {
  return OpenNamed(name, id, resume, /*kept=*/true);
}

absl::StatusOr<LocalFile> LocalDirectory::OpenNamed(const std::string& name, const std::string& id,
                                                    bool resume, bool kept) const {
  if (absl::Status status = CheckReplaceable(fd_.get(), name); !status.ok()) return status;
  const std::string partial = kPrefix + id;
  UniqueFd fd(::openat(fd_.get(), partial.c_str(),
                       O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, kPrivate));
  struct stat found {};
  if (!fd.valid() || ::fstat(fd.get(), &found) != 0) return LocalError(errno);
  if (!S_ISREG(found.st_mode) || found.st_uid != ::geteuid() || found.st_nlink != 1) {
    return absl::FailedPreconditionError(absl::StrCat(partial, " is in the way, and not ours"));
  }
  // Once locked it may be a finished file: whoever had it before us has renamed it.
  struct stat named {};
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 ||
      ::fstatat(fd_.get(), partial.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 ||
      named.st_ino != found.st_ino || named.st_dev != found.st_dev) {
    return absl::FailedPreconditionError(kBusy);
  }
  (void)::fstat(fd.get(), &found);
  LocalFile file(fd_.get(), name);
  file.fd_ = std::move(fd);
  file.temporary_ = partial;
  file.kept_ = kept;
  if (resume) {
    file.size_ = static_cast<uint64_t>(found.st_size);
  } else if (::ftruncate(file.fd_.get(), 0) != 0) {
    return LocalError(errno);
  }
  return file;
}

absl::Status LocalDirectory::MakeSymlink(const std::string& name, const std::string& target,
                                         absl::Time modify_time) const {
  if (absl::Status status = CheckReplaceable(fd_.get(), name); !status.ok()) return status;
  const std::string temporary = TemporaryName(name);
  if (::symlinkat(target.c_str(), fd_.get(), temporary.c_str()) != 0) {
    if (errno != EEXIST) return LocalError(errno);
    if (absl::Status status = RemoveStale(fd_.get(), temporary); !status.ok()) return status;
    if (::symlinkat(target.c_str(), fd_.get(), temporary.c_str()) != 0) return LocalError(errno);
  }
  const std::array<timespec, 2> times = {ToTimespec(std::nullopt), ToTimespec(modify_time)};
  if (::utimensat(fd_.get(), temporary.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) == 0 &&
      ::renameat(fd_.get(), temporary.c_str(), fd_.get(), name.c_str()) == 0) {
    return absl::OkStatus();
  }
  const int error = errno;
  (void)::unlinkat(fd_.get(), temporary.c_str(), 0);
  return LocalError(error);
}

absl::Status LocalDirectory::SetAttributes(uint32_t mode, absl::Time modify_time,
                                           bool special) const {
  struct stat found {};
  if (!special && Describe(&found)) mode |= found.st_mode & S_ISGID;
  const std::array<timespec, 2> times = {ToTimespec(std::nullopt), ToTimespec(modify_time)};
  if (::fchmod(fd_.get(), mode) != 0 || ::futimens(fd_.get(), times.data()) != 0) {
    return LocalError(errno);
  }
  return absl::OkStatus();
}

bool LocalDirectory::Describe(struct stat* found) const { return ::fstat(fd_.get(), found) == 0; }

absl::StatusOr<std::string> LocalDirectory::Checksum(const std::string& name) const {
  if (absl::Status status = CheckName(name); !status.ok()) return status;
  LocalFile file(fd_.get(), name);
  file.fd_.reset(::openat(fd_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.fd_.valid()) return LocalError(errno);
  return file.Checksum();
}

bool LocalDirectory::Has(const std::string& name, uint64_t size, absl::Time modify_time) const {
  struct stat found {};
  return IsEntryName(name) &&
         ::fstatat(fd_.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISREG(found.st_mode) && static_cast<uint64_t>(found.st_size) == size &&
         absl::TimeFromTimespec(found.st_mtim) == modify_time;
}

}  // namespace nacre::cli
