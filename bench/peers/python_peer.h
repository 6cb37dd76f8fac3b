#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/peers/command_server.h"
#include "bench/peers/framed_server.h"
#include "bench/peers/peer_process.h"

namespace nacre::bench {

// legacy_server.py, served in a process that goes with this object. Not thread-safe.
class PythonPeer : public CommandServer {
 public:
  // NOT_FOUND: there is no Python.
  static absl::StatusOr<std::unique_ptr<PythonPeer>> Start();

  absl::StatusOr<std::vector<Operation>> NewClients(int count, const std::string& command,
                                                    uint64_t reply_bytes) override {
    return server_.NewClients(count, command, reply_bytes);
  }

 private:
  PythonPeer(std::unique_ptr<PeerProcess> process, Address address)
      : process_(std::move(process)), server_(std::move(address)) {}

  const std::unique_ptr<PeerProcess> process_;
  FramedServer server_;
};

}  // namespace nacre::bench
