#include "executor/log_reader.h"

#include <algorithm>

namespace nacre {

std::optional<LogReader::Chunk> LogReader::Next(size_t limit) {
  // The order of these loads is the writer's in reverse (base/ring_layout.h).
  const SlotHeader& header = rings_.header(slot_);
  seen_ = header.total.load(std::memory_order_acquire);
  if (position_ == seen_) return std::nullopt;
  const uint64_t count = header.order_count.load(std::memory_order_acquire);
  const std::atomic<uint64_t>* order = rings_.order(slot_);
  OrderEntry entry;
  for (;; ++entry_) {
    if (entry_ >= count) return std::nullopt;
    entry = OrderEntry::FromBits(order[entry_ % kOrderEntries].load(std::memory_order_acquire));
    // Released, so used up by this reader; its place may hold a later entry by now.
    if (header.order_tail.load(std::memory_order_acquire) > entry_) continue;
    // Only the last entry still grows: one before it that is used up stays so.
    if (entry.end() > position_) break;
    if (entry_ + 1 >= count) return std::nullopt;
  }
  const size_t size = std::min<uint64_t>({entry.end() - position_, seen_ - position_, limit});
  const char* ring = rings_.ring(slot_, entry.stream());
  const size_t offset = offsets_[entry.stream()] % ring_bytes_;
  const size_t first = std::min(size, ring_bytes_ - offset);
  Chunk chunk{.stream = entry.stream(),
              .position = position_,
              .first = std::string_view(ring + offset, first),
              .second = std::string_view(ring, size - first)};
  position_ += size;
  offsets_[entry.stream()] += size;
  return chunk;
}

}  // namespace nacre
