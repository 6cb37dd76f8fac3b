#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace nacre {

// Where a daemon listens: a Unix socket or an IP address with a port. Immutable value.
struct Address {
  enum class Kind { kUnix, kTcp };

  // `unix:PATH` (absolute, fits sun_path) or `HOST:PORT` with a numeric IPv4 address, `localhost`
  // or an IPv6 address in brackets; PORT 0 lets the kernel choose. INVALID_ARGUMENT says what is
  // wrong.
  static absl::StatusOr<Address> Parse(std::string_view text);

  std::string ToString() const;
  // Whether only this machine can reach it. True for Unix sockets.
  bool IsLoopback() const;

  Kind kind;
  std::string path;   // kUnix
  std::string host;   // kTcp: numeric, without brackets
  uint16_t port = 0;  // kTcp
};

}  // namespace nacre
