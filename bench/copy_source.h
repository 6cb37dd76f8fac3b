#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// What the copies are made of, and whether they are what they should be.
namespace nacre::bench {

// Makes the directory `path` with `files` files in subdirectories, a hundred in each: 0 to 8 KiB
// each, pseudo-random, the same at every run. Files and directories are of the past.
absl::Status MakeTree(const std::string& path, int files);
// Makes one file, likewise.
absl::Status MakeFile(const std::string& path, uint64_t bytes);

// What a tree, or one file, is made of. Equal for equal names, kinds, modes and contents, and
// modification times of files in seconds; owners and directories' times don't count.
struct Fingerprint {
  uint64_t files = 0;
  uint64_t directories = 0;
  uint64_t bytes = 0;
  uint64_t checksum = 0;

  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};
// Reads all of it. `path` itself may have any name.
absl::StatusOr<Fingerprint> TakeFingerprint(const std::string& path);

}  // namespace nacre::bench
