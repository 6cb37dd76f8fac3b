#pragma once

#include <cstdint>
#include <optional>

#include "files/outcome.h"
#include "nacre/files/v1/files.pb.h"

namespace nacre::files {

// Most entries of one page.
inline constexpr uint32_t kMaxPageEntries = 1000;

// Reads one page of a directory into `reply`, in the order of its file system and within a
// datagram, whatever the size of the directory. `directory` is open for reading and has not been
// read from. `from`: `next` of the page before. FAILURE_REQUEST: no such place.
Outcome ReadPage(int directory, std::optional<uint64_t> from, uint32_t limit, v1::Reply* reply);

}  // namespace nacre::files
