#pragma once

#include "absl/status/status.h"

namespace nacre {

// Gives up, for good, what this process does not need: new rights by running programs, running
// programs at all, and every system call but those that gRPC, Asio and the rings live on. A refused
// call fails with EPERM. Where this process has a user of its own, nobody of that user may look
// into it either. To be called before there are threads.
absl::Status Confine();

}  // namespace nacre
