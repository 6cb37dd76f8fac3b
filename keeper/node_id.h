#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace nacre::keeper {

// What a node is known by across its daemon's restarts: 32 hexadecimal digits, in the file
// `node_id` of `state_dir`, which is made at random where there is none. The directory is ours
// alone, and locked. FAILED_PRECONDITION: the file holds something else.
absl::StatusOr<std::string> NodeId(const std::string& state_dir);

}  // namespace nacre::keeper
