#include "keeper/node_id.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "base/unique_fd.h"

namespace nacre::keeper {
namespace {

constexpr size_t kDigits = 32;

bool IsNodeId(absl::string_view text) {
  return text.size() == kDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
         });
}

// Whole or not at all, whenever the machine stops.
absl::Status Write(const std::string& directory, const std::string& path, const std::string& id) {
  const std::string fresh = path + ".new";
  const std::string line = id + "\n";
  const UniqueFd file(
      open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) return absl::ErrnoToStatus(errno, fresh);
  errno = ENOSPC;  // of a write that is cut short
  if (write(file.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
      fsync(file.get()) != 0 || rename(fresh.c_str(), path.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, fresh);
  }
  const UniqueFd parent(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.valid() || fsync(parent.get()) != 0) return absl::ErrnoToStatus(errno, directory);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> NodeId(const std::string& state_dir) {
  const std::string path = state_dir + "/node_id";
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.valid()) {
    std::array<char, kDigits + 2> text{};
    const ssize_t size = read(file.get(), text.data(), text.size());
    if (size < 0) return absl::ErrnoToStatus(errno, path);
    const std::string id(
        absl::StripTrailingAsciiWhitespace({text.data(), static_cast<size_t>(size)}));
    if (IsNodeId(id)) return id;
    return absl::FailedPreconditionError(absl::StrFormat(
        "%s: is not %d hexadecimal digits; remove it, and the node gets a new id", path, kDigits));
  }
  if (errno != ENOENT) return absl::ErrnoToStatus(errno, path);
  std::array<char, kDigits / 2> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return absl::ErrnoToStatus(errno, "getrandom");
  }
  const std::string id = absl::BytesToHexString({bytes.data(), bytes.size()});
  if (absl::Status status = Write(state_dir, path, id); !status.ok()) return status;
  return id;
}

}  // namespace nacre::keeper
