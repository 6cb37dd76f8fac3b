#include "executor/log_reader.h"

#include <algorithm>

namespace nacre {

LogReader::LogReader(const SharedRings& rings, uint32_t slot, size_t ring_bytes, uint64_t position)
    : rings_(rings),
      slot_(slot),
      ring_bytes_(ring_bytes),
      position_(position),
      entry_(rings.header(slot).order_tail.load(std::memory_order_acquire)) {}

std::optional<LogReader::Chunk> LogReader::Next(size_t limit) {
  // The order of these loads is the writer's in reverse (base/ring_layout.h).
  const SlotHeader& header = rings_.header(slot_);
  seen_ = header.total.load(std::memory_order_acquire);
  if (position_ >= seen_) return std::nullopt;
  const uint64_t count = header.order_count.load(std::memory_order_acquire);
  OrderRun run;
  for (;; ++entry_) {
    if (entry_ >= count) return std::nullopt;
    run = OrderRun::Load(rings_.order(slot_)[entry_ % kOrderEntries]);
    // Given up, so used up by this reader; its place may hold a later entry by now.
    if (header.order_tail.load(std::memory_order_acquire) > entry_) continue;
    // Only the last entry still grows: one before it that is used up stays so.
    if (run.end > position_) break;
    if (entry_ + 1 >= count) return std::nullopt;
  }
  const size_t size = std::min<uint64_t>({run.end - position_, seen_ - position_, limit});
  const char* ring = rings_.ring(slot_, run.stream);
  const size_t offset = (position_ - run.other) % ring_bytes_;
  const size_t first = std::min(size, ring_bytes_ - offset);
  Chunk chunk{.stream = run.stream,
              .position = position_,
              .first = std::string_view(ring + offset, first),
              .second = std::string_view(ring, size - first)};
  position_ += size;
  return chunk;
}

}  // namespace nacre
