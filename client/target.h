// Where a node is, parsed once.
#ifndef NACRE_CLIENT_TARGET_H_
#define NACRE_CLIENT_TARGET_H_

#include <string>

#include "absl/status/statusor.h"

namespace nacre::client {

// A valid address of a node.
struct Target {
  std::string path;  // Of the Unix socket; empty for TCP.
  std::string host;  // Name or address without brackets; empty for a Unix socket.
  int port = 0;      // 1 to 65535 for TCP.

  // As people write it: unix:PATH or HOST:PORT.
  std::string ToString() const;
  // As gRPC wants it: a URI that needs no DNS for an address.
  std::string ToGrpcUri() const;
  // Whether its traffic stays on this machine.
  bool IsLocal() const;
};

// Parses unix:PATH or HOST:PORT. INVALID_ARGUMENT says what is wrong.
absl::StatusOr<Target> ParseTarget(const std::string& text);

}  // namespace nacre::client

#endif  // NACRE_CLIENT_TARGET_H_
