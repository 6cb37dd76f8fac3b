#include "keeper/output_log.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

namespace nacre::keeper {
namespace {

// Of a stream: as far as it goes.
constexpr uint64_t kNoOffset = ~uint64_t{0};

// Bytes that wait in a pipe, at most `limit`.
size_t Waiting(int fd, size_t limit) {
  int waiting = 0;
  if (ioctl(fd, FIONREAD, &waiting) != 0) return limit;
  return std::min(static_cast<size_t>(waiting), limit);
}

// What it means that no byte waits in a pipe.
OutputLog::Pull WhyEmpty(int fd) {
  pollfd state{.fd = fd, .events = POLLIN, .revents = 0};
  poll(&state, 1, 0);
  if ((state.revents & POLLIN) != 0) return OutputLog::Pull::kData;  // since
  return state.revents != 0 ? OutputLog::Pull::kEnd : OutputLog::Pull::kEmpty;
}

}  // namespace

OutputLog::OutputLog(const Arena& arena, uint32_t slot, size_t ring_bytes)
    : header_(arena.header(slot)), order_(arena.order(slot)), ring_bytes_(ring_bytes) {
  for (uint32_t stream = 0; stream < kStreams; ++stream) {
    streams_[stream].ring = arena.ring(slot, stream);
  }
}

// Whether bytes of this stream would begin an entry.
bool OutputLog::NeedsEntry(uint32_t stream) const {
  return order_count_ == 0 || OrderRun::Load(Entry(order_count_ - 1)).stream != stream;
}

bool OutputLog::HasRoom(uint32_t stream) const {
  if (keep_newest_) return true;
  if (Free(stream) == 0) return false;
  const bool index_full = order_count_ - released_.entry == kOrderEntries;
  return !index_full || !NeedsEntry(stream);
}

OutputLog::Pull OutputLog::PullFrom(int fd, uint32_t stream, size_t limit) {
  if (limit_ > 0) {
    limit = std::min<uint64_t>(limit, limit_ - total_);
    if (limit == 0) return Waiting(fd, 1) > 0 ? Pull::kOver : WhyEmpty(fd);
  }
  if (!HasRoom(stream)) return Pull::kFull;
  Stream& s = streams_[stream];
  size_t want = std::min(limit, keep_newest_ ? ring_bytes_ : Free(stream));
  if (TakesPlace(stream, want)) {
    // No more is given up than what comes needs; nothing for the end.
    want = Waiting(fd, want);
    if (want == 0) return WhyEmpty(fd);
    MakeRoom(stream, want);
  }
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

// Whether `bytes` more of a stream, and perhaps an entry, go where something is still kept.
bool OutputLog::TakesPlace(uint32_t stream, size_t bytes) const {
  return streams_[stream].produced + bytes > ring_bytes_ + kept_.offsets[stream] ||
         (order_count_ - kept_.entry == kOrderEntries && NeedsEntry(stream));
}

// Gives up what lies where `bytes` more of a stream, and perhaps an entry, will go. Readers can
// know before it happens.
void OutputLog::MakeRoom(uint32_t stream, size_t bytes) {
  const uint64_t needed = streams_[stream].produced + bytes;
  if (needed > ring_bytes_) Advance(&kept_, total_, stream, needed - ring_bytes_);
  if (order_count_ - kept_.entry == kOrderEntries && NeedsEntry(stream)) {
    Advance(&kept_, OrderRun::Load(Entry(kept_.entry)).end, stream, kNoOffset);
  }
  // Only to keep the newest, or to leave an entry that is used up.
  if (kept_.position > released_.position || kept_.entry > released_.entry) released_ = kept_;
  header_.kept.store(kept_.position, std::memory_order_release);
  header_.order_tail.store(kept_.entry, std::memory_order_release);
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
  const bool grows = !NeedsEntry(stream);
  const OrderRun run{.end = total_, .stream = stream, .other = streams_[1 - stream].produced};
  run.Store(&Entry(grows ? order_count_ - 1 : order_count_));
  if (!grows) header_.order_count.store(++order_count_, std::memory_order_release);
  header_.total.store(total_, std::memory_order_release);
}

void OutputLog::Advance(Cursor* cursor, uint64_t position, uint32_t stream, uint64_t offset) const {
  while (order_count_ > 0) {
    const OrderRun run = OrderRun::Load(Entry(cursor->entry));
    if (cursor->position == run.end) {
      // The last entry may still grow: the cursor stays on it.
      if (cursor->entry + 1 == order_count_) break;
      ++cursor->entry;
      continue;
    }
    if (cursor->position >= position || cursor->offsets[stream] >= offset) break;
    uint64_t bytes = std::min(position, run.end) - cursor->position;
    if (run.stream == stream) bytes = std::min(bytes, offset - cursor->offsets[stream]);
    cursor->offsets[run.stream] += bytes;
    cursor->position += bytes;
  }
}

void OutputLog::Release(uint64_t position) { Advance(&released_, position, kStdout, kNoOffset); }

SlotPieces OutputLog::Pieces() const {
  SlotPieces pieces = {
      {.offset = HeaderOffset(0),
       .bytes = {reinterpret_cast<const char*>(&header_), sizeof(header_)}},
  };
  // Bytes `from` to `to` of what goes round in `size` bytes.
  const auto add = [&](size_t offset, const void* start, size_t size, uint64_t from, uint64_t to) {
    const char* bytes = static_cast<const char*>(start);
    const size_t at = from % size;
    const size_t first = std::min<uint64_t>(to - from, size - at);
    const size_t second = to - from - first;
    if (first > 0) pieces.push_back({.offset = offset + at, .bytes = {bytes + at, first}});
    if (second > 0) pieces.push_back({.offset = offset, .bytes = {bytes, second}});
  };
  constexpr size_t kEntry = sizeof(OrderEntry);
  add(OrderOffset(0), order_, kOrderEntries * kEntry, kept_.entry * kEntry, order_count_ * kEntry);
  for (uint32_t stream = 0; stream < kStreams; ++stream) {
    add(RingOffset(0, stream), streams_[stream].ring, ring_bytes_, kept_.offsets[stream],
        streams_[stream].produced);
  }
  return pieces;
}

std::string OutputLog::Digest(uint32_t stream) const {
  const XXH3_state_t* state = streams_[stream].hash.get();
  const XXH128_hash_t hash = state != nullptr ? XXH3_128bits_digest(state) : XXH3_128bits("", 0);
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  return std::string(reinterpret_cast<const char*>(canonical.digest), sizeof(canonical.digest));
}

}  // namespace nacre::keeper
