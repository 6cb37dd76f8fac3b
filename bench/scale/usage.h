#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "nacre/client.h"

namespace nacre::bench {

// What processes hold, by /proc.
struct Usage {
  // Resident memory together; what two of them share counts twice.
  uint64_t rss_bytes = 0;
  uint64_t descriptors = 0;
  uint64_t threads = 0;
};

// Of a node's two processes, which have to be on this machine, and visible to us.
absl::StatusOr<Usage> UsageOf(client::Client& node);

}  // namespace nacre::bench
