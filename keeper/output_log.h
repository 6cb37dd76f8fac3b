#pragma once

#include <sys/uio.h>
#include <xxh_x86dispatch.h>  // xxhash.h, by this machine's vector instructions

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "keeper/arena.h"
#include "keeper/log_image.h"

namespace nacre::keeper {

// Writes one session's output log: bytes into the ring of their stream, their order into the index,
// then the new total. Keeper's thread only; fronts read concurrently (base/ring_layout.h).
class OutputLog {
 public:
  OutputLog(const Arena& arena, uint32_t slot, size_t ring_bytes);

  enum class Pull {
    kData,      // bytes were taken; there may be more
    kLastData,  // all bytes that were there were taken
    kEmpty,     // nothing there now
    kEnd,       // every writer has closed it
    kFull,      // no room until something is released
    kOver,      // more than the limit is there
  };

  // No byte beyond so many, of all streams together, is taken. 0: no limit.
  void Limit(uint64_t total) { limit_ = total; }

  // Takes up to `limit` bytes from a non-blocking descriptor into the log.
  Pull PullFrom(int fd, uint32_t stream, size_t limit);

  // Positions before `position` may be overwritten once their place is needed. Clamped to the
  // total; never goes back.
  void Release(uint64_t position);

  // Whether the oldest bytes are overwritten when there is no room, released or not.
  void KeepNewest(bool keep_newest) { keep_newest_ = keep_newest; }

  bool HasRoom(uint32_t stream) const;
  uint64_t total() const { return total_; }
  uint64_t released() const { return released_.position; }
  // Oldest position whose byte, and all after it, are still in the rings.
  uint64_t kept() const { return kept_.position; }
  uint64_t bytes(uint32_t stream) const { return streams_[stream].produced; }
  // The slot, but what was given up. Borrows it.
  SlotPieces Pieces() const;
  // XXH3-128 of all bytes of the stream, canonical form.
  std::string Digest(uint32_t stream) const;

 private:
  struct Stream {
    char* ring = nullptr;
    uint64_t produced = 0;
    std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> hash{nullptr, &XXH3_freeState};
  };

  // A place in the log: how many bytes of each stream come before a position.
  struct Cursor {
    uint64_t position = 0;
    uint64_t entry = 0;
    std::array<uint64_t, kStreams> offsets = {};
  };

  size_t Free(uint32_t stream) const {
    return ring_bytes_ - (streams_[stream].produced - released_.offsets[stream]);
  }
  bool NeedsEntry(uint32_t stream) const;
  OrderEntry& Entry(uint64_t index) const { return order_[index % kOrderEntries]; }
  // Moves on, at most to `position`, until the stream's offset is `offset`.
  void Advance(Cursor* cursor, uint64_t position, uint32_t stream, uint64_t offset) const;
  bool TakesPlace(uint32_t stream, size_t bytes) const;
  void MakeRoom(uint32_t stream, size_t bytes);
  void Append(uint32_t stream, uint64_t bytes);

  SlotHeader& header_;
  OrderEntry* const order_;
  const size_t ring_bytes_;
  std::array<Stream, kStreams> streams_;
  uint64_t total_ = 0;
  uint64_t order_count_ = 0;
  // What is no longer waited for; what is no longer in the rings. kept_ never passes released_.
  Cursor released_, kept_;
  bool keep_newest_ = false;
  uint64_t limit_ = 0;
};

}  // namespace nacre::keeper
