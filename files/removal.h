#pragma once

#include <cstddef>
#include <cstdint>

#include "files/outcome.h"
#include "files/path.h"

namespace nacre::files {

// How much is done in one go, so that others are served too.
struct RemovalLimits {
  uint64_t files = 10'000;
  int64_t time_ns = 100'000'000;
  // Directories that are open at a time.
  size_t depth = 200;
};

// What one go has come to. An error is that of the first file that can't be removed; the removal
// ends there.
struct Removal {
  uint64_t removed = 0;
  bool more = false;
  Outcome outcome;
};

// Removes a file, a link or, if `recursive`, a directory with all there is in it; else only an
// empty one. Follows no link at any moment; enters file systems that are mounted in the tree, as rm
// does. Where `more` is left, call again: nothing but the tree remembers how far it has come.
Removal Remove(const Place& place, bool recursive, const RemovalLimits& limits = {});

}  // namespace nacre::files
