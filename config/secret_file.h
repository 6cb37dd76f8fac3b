#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace nacre {

// A secret that a listener shares with its callers, and the name that it proves.
struct Secret {
  std::string name;  // of its file, without directory and extension
  std::string bytes;

  // Reads it from a file, without one line end. Errors: it can't be read; it belongs neither to us
  // nor to root, or others can read it; it holds less than 16 or more than 4096 bytes.
  static absl::StatusOr<Secret> Load(const std::string& path);
};

}  // namespace nacre
