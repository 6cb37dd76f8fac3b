#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

// Datagrams with descriptors over a Unix SOCK_SEQPACKET pair: the channel of keeper and front.
namespace nacre::seqpacket {

// Largest datagram; a bigger payload travels as a memfd.
inline constexpr size_t kMaxDatagram = 64 * 1024;
// Descriptors in one datagram at most (the kernel's own bound is 253).
inline constexpr size_t kMaxFds = 64;

struct Datagram {
  std::string bytes;
  std::vector<UniqueFd> fds;
};

// Both ends are non-blocking and close-on-exec.
absl::StatusOr<std::pair<UniqueFd, UniqueFd>> Pair();

// Sends without blocking. UNAVAILABLE: the peer's queue is full, or too many descriptors are on
// their way; try again once writable;
// any other error: the channel is broken.
absl::Status Send(int socket, std::string_view bytes, const std::vector<int>& fds = {});

// Receives without blocking; nothing when there is no datagram. OUT_OF_RANGE: the peer has closed.
// DATA_LOSS: a datagram or its descriptors were too big.
absl::StatusOr<std::optional<Datagram>> Receive(int socket);

}  // namespace nacre::seqpacket
