#include "executor/log_reader.h"

#include <algorithm>

namespace nacre {

LogReader::LogReader(LogView view, uint64_t position)
    : view_(std::move(view)),
      position_(position),
      entry_(view_.header->order_tail.load(std::memory_order_acquire)) {}

std::optional<LogReader::Chunk> LogReader::Next(size_t limit) {
  // The order of these loads is the writer's in reverse (base/ring_layout.h).
  const SlotHeader& header = *view_.header;
  seen_ = header.total.load(std::memory_order_acquire);
  if (position_ >= seen_) return std::nullopt;
  const uint64_t count = header.order_count.load(std::memory_order_acquire);
  OrderRun run;
  for (;; ++entry_) {
    if (entry_ >= count) return std::nullopt;
    run = OrderRun::Load(view_.order[entry_ % kOrderEntries]);
    // Given up, so used up by this reader or lost to it; its place may hold a later entry by now.
    const uint64_t tail = header.order_tail.load(std::memory_order_acquire);
    if (tail > entry_) {
      entry_ = tail - 1;
      continue;
    }
    // Only the last entry still grows: one before it that is used up stays so.
    if (run.end > position_) break;
    if (entry_ + 1 >= count) return std::nullopt;
  }
  // Never more than a ring, even of bytes that are lost.
  const size_t size =
      std::min<uint64_t>({run.end - position_, seen_ - position_, limit, view_.ring_bytes});
  const char* ring = view_.rings[run.stream];
  const size_t offset = (position_ - run.other) % view_.ring_bytes;
  const size_t first = std::min(size, view_.ring_bytes - offset);
  Chunk chunk{.stream = run.stream,
              .position = position_,
              .first = std::string_view(ring + offset, first),
              .second = std::string_view(ring, size - first)};
  position_ += size;
  return chunk;
}

bool LogReader::Whole(const Chunk& chunk) const {
  // The copy comes first; the processor keeps that order (base/ring_layout.h).
  std::atomic_signal_fence(std::memory_order_acquire);
  return kept() <= chunk.position;
}

bool LogReader::SkipLost() {
  const uint64_t oldest = kept();
  if (oldest <= position_) return false;
  position_ = oldest;
  return true;
}

}  // namespace nacre
