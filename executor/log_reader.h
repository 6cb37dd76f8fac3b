#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "executor/log_view.h"

namespace nacre {

// Walks a session's output log in order of position. Bytes that are not released stay what they
// are; a reader of others asks SkipLost before it reads, and Whole after it has copied. Not
// thread-safe.
class LogReader {
 public:
  // Some consecutive bytes of one stream; in two parts where the ring wraps.
  struct Chunk {
    uint32_t stream;
    uint64_t position;
    std::string_view first, second;
    size_t size() const { return first.size() + second.size(); }
  };

  // Starts at `position`, which is at most the total.
  explicit LogReader(LogView view, uint64_t position = 0);

  // The next bytes, at most `limit`, if any are published.
  std::optional<Chunk> Next(size_t limit);

  // Whether what the chunk points to had not been overwritten by now. If it was, all of the chunk
  // counts as lost.
  bool Whole(const Chunk& chunk) const;
  // Goes back to a chunk that was not whole.
  void Rewind(const Chunk& chunk) { position_ = chunk.position; }
  // Goes on to the oldest byte that is still kept, if that is ahead; whether it is.
  bool SkipLost();

  // Position after the last byte returned.
  uint64_t position() const { return position_; }
  // The total as last seen by Next.
  uint64_t seen() const { return seen_; }
  // The oldest position whose byte, and all after it, are still there.
  uint64_t kept() const { return view_.header->kept.load(std::memory_order_acquire); }

 private:
  LogView view_;
  uint64_t position_, seen_ = 0;
  uint64_t entry_;
};

}  // namespace nacre
