#include "keeper/audit_log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace nacre::keeper {
namespace {

constexpr size_t kMaxLine = 16 * 1024;

// Number after the last whole line's, and whether the file ends in a torn line.
uint64_t NextNumber(int fd, off_t size, bool* torn) {
  std::string tail(std::min<size_t>(size, 2 * kMaxLine), '\0');
  const ssize_t got = pread(fd, tail.data(), tail.size(), size - static_cast<off_t>(tail.size()));
  if (got <= 0) return 1;
  tail.resize(got);
  *torn = tail.back() != '\n';
  // The last line that has a number: one that was torn before may stand behind it.
  for (size_t begin = tail.size(); begin > 0;) {
    const size_t newline = tail.find_last_of('\n', begin - 1);
    const size_t line = newline == std::string::npos ? 0 : newline + 1;
    unsigned long long last = 0;
    if (sscanf(tail.c_str() + line, "{\"seq\":%llu,", &last) == 1) return last + 1;
    begin = newline == std::string::npos ? 0 : newline;
  }
  return 1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat info;
  if (!fd.valid() || fstat(fd.get(), &info) != 0) return absl::ErrnoToStatus(errno, path);
  std::unique_ptr<AuditLog> log(new AuditLog(std::move(fd)));
  bool torn = false;
  log->next_ = NextNumber(log->fd_.get(), info.st_size, &torn);
  if (torn && write(log->fd_.get(), "\n", 1) != 1) return absl::ErrnoToStatus(errno, path);
  return log;
}

absl::Status AuditLog::Append(std::string_view object) {
  const bool control = std::any_of(object.begin(), object.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (object.size() < 2 || object.size() > kMaxLine || object.front() != '{' ||
      object.back() != '}' || control) {
    return absl::InvalidArgumentError("an audit record is not one short JSON object on one line");
  }
  const std::string line =
      absl::StrFormat("{\"seq\":%d,\"time\":\"%s\"%s%s\n", next_,
                      absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::Now(), absl::UTCTimeZone()),
                      object == "{}" ? "" : ",", object.substr(1));
  const ssize_t written = write(fd_.get(), line.data(), line.size());
  if (written < 0) return absl::ErrnoToStatus(errno, "audit");
  if (static_cast<size_t>(written) != line.size()) {
    // Out of space in mid-line: take the piece back.
    const off_t end = lseek(fd_.get(), 0, SEEK_CUR);
    if (end < written || ftruncate(fd_.get(), end - written) != 0) {
      return absl::DataLossError("audit: a line is torn");
    }
    return absl::ResourceExhaustedError("audit: no space for a line");
  }
  ++next_;
  return absl::OkStatus();
}

}  // namespace nacre::keeper
