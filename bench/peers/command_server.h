#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/measure.h"

namespace nacre::bench {

// Something that runs shell commands for its clients: Nacre's port for older clients, or a peer.
class CommandServer {
 public:
  virtual ~CommandServer() = default;

  // So many clients, connected. Each operation is one client's, for one thread at a time: it has
  // `command` run and takes its reply, which must be of `reply_bytes` bytes.
  virtual absl::StatusOr<std::vector<Operation>> NewClients(int count, const std::string& command,
                                                            uint64_t reply_bytes) = 0;
};

}  // namespace nacre::bench
