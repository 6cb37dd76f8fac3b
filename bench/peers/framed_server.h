#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/address.h"
#include "bench/peers/command_server.h"

namespace nacre::bench {

// Whoever speaks the framed dialect at an address. A client is one connection, kept open. Any
// thread.
class FramedServer : public CommandServer {
 public:
  explicit FramedServer(Address address) : address_(std::move(address)) {}

  absl::StatusOr<std::vector<Operation>> NewClients(int count, const std::string& command,
                                                    uint64_t reply_bytes) override;

 private:
  const Address address_;
};

// The four bytes that say a length.
std::string FrameLength(uint64_t bytes);
// Reads a length and so many bytes. DATA_LOSS: they are not `bytes`.
absl::Status TakeFrame(int fd, uint64_t bytes);

}  // namespace nacre::bench
