#pragma once

#include <cstdint>

#include "files/outcome.h"

namespace nacre::files {

// Makes the empty file `to` the first `bytes` of `from`, which has at least as many: by sharing
// them where the file system can do that; holes stay holes. Takes as long as it takes. The
// positions of both are lost.
Outcome CopyBeginning(int from, int to, uint64_t bytes);

}  // namespace nacre::files
