#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace nacre::bench {

// The floor of a reply whose length goes before its bytes: collect all of a command's output in a
// file without a name, then send the length and the file to a reader over a loopback connection.
// Not thread-safe.
class CollectFloor {
 public:
  // The file will be in `directory`.
  static absl::StatusOr<CollectFloor> Create(const std::string& directory);

  // Has the shell run `command`, whose output is of `bytes` bytes. Once: the file goes with this
  // object, so that freeing it is no part of the floor.
  absl::Status Run(const std::string& command, uint64_t bytes);

 private:
  CollectFloor(UniqueFd file, UniqueFd sender, UniqueFd reader)
      : file_(std::move(file)), sender_(std::move(sender)), reader_(std::move(reader)) {}

  absl::Status Collect(const std::string& command, uint64_t bytes);
  absl::Status Send(uint64_t bytes);

  UniqueFd file_, sender_, reader_;
};

}  // namespace nacre::bench
