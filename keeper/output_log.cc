#include "keeper/output_log.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>

namespace nacre::keeper {

OutputLog::OutputLog(const Arena& arena, uint32_t slot, size_t ring_bytes)
    : header_(arena.header(slot)), order_(arena.order(slot)), ring_bytes_(ring_bytes) {
  for (uint32_t stream = 0; stream < kStreams; ++stream) {
    streams_[stream].ring = arena.ring(slot, stream);
  }
}

bool OutputLog::HasRoom(uint32_t stream) const {
  if (Free(stream) == 0) return false;
  if (order_count_ - order_tail_ < kOrderEntries) return true;
  return OrderEntry::FromBits(Entry(order_count_ - 1).load(std::memory_order_relaxed)).stream() ==
         stream;
}

OutputLog::Pull OutputLog::PullFrom(int fd, uint32_t stream, size_t limit) {
  if (!HasRoom(stream)) return Pull::kFull;
  Stream& s = streams_[stream];
  const size_t want = std::min(limit, Free(stream));
  const size_t offset = s.produced % ring_bytes_;
  const size_t first = std::min(want, ring_bytes_ - offset);
  const iovec parts[2] = {{s.ring + offset, first}, {s.ring, want - first}};
  ssize_t got;
  do {
    got = readv(fd, parts, want > first ? 2 : 1);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return errno == EAGAIN ? Pull::kEmpty : Pull::kEnd;
  if (got == 0) return Pull::kEnd;
  Append(stream, static_cast<uint64_t>(got));
  return static_cast<size_t>(got) < want ? Pull::kLastData : Pull::kData;
}

void OutputLog::Append(uint32_t stream, uint64_t bytes) {
  Stream& s = streams_[stream];
  if (s.hash == nullptr) {
    s.hash.reset(XXH3_createState());
    XXH3_128bits_reset(s.hash.get());
  }
  const size_t offset = s.produced % ring_bytes_;
  const size_t first = std::min<size_t>(bytes, ring_bytes_ - offset);
  XXH3_128bits_update(s.hash.get(), s.ring + offset, first);
  XXH3_128bits_update(s.hash.get(), s.ring, bytes - first);
  s.produced += bytes;
  total_ += bytes;
  const uint64_t last = order_count_ - 1;
  const bool grows =
      order_count_ > order_tail_ &&
      OrderEntry::FromBits(Entry(last).load(std::memory_order_relaxed)).stream() == stream;
  const uint64_t bits = OrderEntry(total_, stream).bits();
  if (grows) {
    Entry(last).store(bits, std::memory_order_release);
  } else {
    Entry(order_count_).store(bits, std::memory_order_release);
    header_.order_count.store(++order_count_, std::memory_order_release);
  }
  header_.total.store(total_, std::memory_order_release);
  if (discard_) Release(total_);
}

void OutputLog::Release(uint64_t position) {
  position = std::min(position, total_);
  while (released_ < position) {
    const OrderEntry entry =
        OrderEntry::FromBits(Entry(order_tail_).load(std::memory_order_relaxed));
    const uint64_t upto = std::min(position, entry.end());
    streams_[entry.stream()].released += upto - released_;
    released_ = upto;
    if (upto == entry.end()) ++order_tail_;
  }
  header_.order_tail.store(order_tail_, std::memory_order_release);
}

void OutputLog::Discard() {
  discard_ = true;
  Release(total_);
}

std::string OutputLog::Digest(uint32_t stream) const {
  const XXH3_state_t* state = streams_[stream].hash.get();
  const XXH128_hash_t hash = state != nullptr ? XXH3_128bits_digest(state) : XXH3_128bits("", 0);
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  return std::string(reinterpret_cast<const char*>(canonical.digest), sizeof(canonical.digest));
}

}  // namespace nacre::keeper
