#include "config/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "base/unique_fd.h"

namespace nacre {
namespace {

constexpr size_t kLeast = 16;
constexpr size_t kMost = 4096;

}  // namespace

absl::StatusOr<Secret> Secret::Load(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info;
  if (!file.valid() || fstat(file.get(), &info) != 0) return absl::ErrnoToStatus(errno, path);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrFormat("%s is no regular file", path));
  }
  if (info.st_uid != geteuid() && info.st_uid != 0) {
    return absl::PermissionDeniedError(
        absl::StrFormat("%s belongs to another user (%d)", path, info.st_uid));
  }
  if ((info.st_mode & 077) != 0) {
    return absl::PermissionDeniedError(
        absl::StrFormat("%s can be read by others than its owner; chmod 600 it", path));
  }
  std::string bytes(kMost + 3, '\0');
  const ssize_t size = read(file.get(), bytes.data(), bytes.size());
  if (size < 0) return absl::ErrnoToStatus(errno, path);
  bytes.resize(static_cast<size_t>(size));
  if (bytes.ends_with('\n')) bytes.pop_back();
  if (bytes.ends_with('\r')) bytes.pop_back();
  if (bytes.size() < kLeast || bytes.size() > kMost) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s does not hold %d to %d bytes", path, kLeast, kMost));
  }
  return Secret{.name = std::filesystem::path(path).stem(), .bytes = std::move(bytes)};
}

}  // namespace nacre
