#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"

namespace nacre::bench {

// Calls a FloorServer over one warm channel, by plain gRPC. Any thread may call any method.
class FloorClient {
 public:
  explicit FloorClient(const std::string& target);
  ~FloorClient();

  // UNAVAILABLE: nobody serves there within some seconds.
  absl::Status Connect();

  // An empty call.
  absl::Status Nothing();
  // Takes `bytes` of a command's output.
  absl::Status StreamOut(uint64_t bytes);
  // Gives a command `bytes` of input.
  absl::Status StreamIn(uint64_t bytes);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nacre::bench
