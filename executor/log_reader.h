#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "executor/keeper_link.h"

namespace nacre {

// Walks a session's output log in order of position. Borrows the session's rings, whose bytes stay
// what they are until released. Not thread-safe.
class LogReader {
 public:
  // Some consecutive bytes of one stream; in two parts where the ring wraps.
  struct Chunk {
    uint32_t stream;
    uint64_t position;
    std::string_view first, second;
    size_t size() const { return first.size() + second.size(); }
  };

  // Starts at `position`: not released, at most the total.
  LogReader(const SharedRings& rings, uint32_t slot, size_t ring_bytes, uint64_t position = 0);

  // The next bytes, at most `limit`, if any are published.
  std::optional<Chunk> Next(size_t limit);

  // Position after the last byte returned.
  uint64_t position() const { return position_; }
  // The total as last seen by Next.
  uint64_t seen() const { return seen_; }

 private:
  const SharedRings& rings_;
  const uint32_t slot_;
  const size_t ring_bytes_;
  uint64_t position_, seen_ = 0;
  uint64_t entry_;
};

}  // namespace nacre
