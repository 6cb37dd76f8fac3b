#include "bench/io.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/interruption.h"

namespace nacre::bench {
namespace {

constexpr size_t kSkipBytes = 256 * 1024;
constexpr absl::Duration kPatience = absl::Seconds(30);

// Reads some bytes, at least one.
absl::StatusOr<size_t> ReadSome(int fd, char* data, size_t size) {
  for (;;) {
    const ssize_t got = read(fd, data, size);
    if (got > 0) return static_cast<size_t>(got);
    if (got == 0) return absl::DataLossError("bytes are missing: the other side ended too early");
    if (errno != EINTR) return absl::ErrnoToStatus(errno, "read");
  }
}

}  // namespace

absl::Status WriteAll(int fd, std::string_view data) {
  for (size_t done = 0; done < data.size();) {
    const ssize_t written = write(fd, data.data() + done, data.size() - done);
    if (written > 0) {
      done += static_cast<size_t>(written);
    } else if (errno != EINTR) {
      return absl::ErrnoToStatus(errno, "write");
    }
  }
  return absl::OkStatus();
}

absl::Status ReadExactly(int fd, char* data, size_t size) {
  while (size > 0) {
    const auto got = ReadSome(fd, data, size);
    if (!got.ok()) return got.status();
    data += *got;
    size -= *got;
  }
  return absl::OkStatus();
}

absl::Status Skip(int fd, uint64_t bytes) {
  std::vector<char> buffer(std::min<uint64_t>(bytes, kSkipBytes));
  while (bytes > 0) {
    const auto got = ReadSome(fd, buffer.data(), std::min<uint64_t>(bytes, buffer.size()));
    if (!got.ok()) return got.status();
    bytes -= *got;
  }
  return absl::OkStatus();
}

absl::Status AwaitReadable(const std::vector<int>& fds) {
  std::vector<pollfd> polled;
  for (const int fd : fds) polled.push_back({.fd = fd, .events = POLLIN, .revents = 0});
  const absl::Time deadline = absl::Now() + kPatience;
  for (;;) {
    if (Interrupted() != 0) return absl::CancelledError("interrupted");
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0) return absl::DeadlineExceededError("nothing came in time");
    const int ready = poll(polled.data(), polled.size(), static_cast<int>(left));
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "poll");
  }
}

}  // namespace nacre::bench
