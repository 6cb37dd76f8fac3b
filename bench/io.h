#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

// Blocking descriptors.
namespace nacre::bench {

// Writes it all.
absl::Status WriteAll(int fd, std::string_view data);
// Reads exactly `size` bytes. DATA_LOSS: fewer came.
absl::Status ReadExactly(int fd, char* data, size_t size);
// Reads `bytes` bytes and forgets them. DATA_LOSS: fewer came.
absl::Status Skip(int fd, uint64_t bytes);
// Waits until one of the descriptors has something to read or has ended. DEADLINE_EXCEEDED: not so
// within half a minute. CANCELLED: we are to end.
absl::Status AwaitReadable(const std::vector<int>& fds);

}  // namespace nacre::bench
