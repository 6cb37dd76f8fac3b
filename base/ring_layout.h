#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

// How keeper and front share a session's bytes.
//
//   output arena (memfd; the keeper writes, fronts map it read-only), one slot per session:
//     SlotHeader | order index | ring of stdout | ring of stderr
//   input arena (memfd; the front writes, the keeper reads), one ring per slot.
//
//   an archived session's log (a file): one slot, as it was when the session had ended; what is no
//     longer needed is zero.
//
// Positions count the bytes of both streams together in order of arrival and never change. Entry i
// of the order index says up to which position the bytes came from which stream, and how many bytes
// of the other stream came before; the last entry may still grow. So the byte at a position is
// number (position - other) of its stream, and per stream byte number n lies in its ring at n
// modulo the ring's size.
//
// Writing order: bytes into the ring, order entry, order_count, total; the last three are release
// stores. A reader loads `total`, then `order_count`, then entries, each with acquire, and never
// looks past `total`.
//
// Bytes stay after they were released, until others take their place. Before that the writer stores
// `kept`, and before it uses an entry's place again `order_tail`; so a reader that loads
// `order_tail` after an entry knows whether that entry was still its own, and one whose bytes may
// be taken copies them, then loads `kept`: what lies before it was no longer whole. (Both sides
// rely on x86-64's order of loads and of stores.)
namespace nacre {

inline constexpr uint32_t kStreams = 2;
inline constexpr uint32_t kStdout = 0;
inline constexpr uint32_t kStderr = 1;

struct SlotHeader {
  // Position after the last byte published.
  std::atomic<uint64_t> total;
  // Entries ever appended to the order index.
  std::atomic<uint64_t> order_count;
  // Entries of the order index whose places may be taken by later ones.
  std::atomic<uint64_t> order_tail;
  // Oldest position whose byte, and all after it, are still in the rings.
  std::atomic<uint64_t> kept;
  // Input bytes written to the command.
  std::atomic<uint64_t> consumed;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

// One entry of the order index.
struct OrderEntry {
  // Position after its last byte, and its stream.
  std::atomic<uint64_t> end_and_stream;
  // Bytes of the other stream before it.
  std::atomic<uint64_t> other;
};

// An order entry as it was read.
struct OrderRun {
  uint64_t end = 0;
  uint32_t stream = 0;
  uint64_t other = 0;

  static OrderRun Load(const OrderEntry& entry) {
    const uint64_t bits = entry.end_and_stream.load(std::memory_order_acquire);
    return {.end = bits >> 1,
            .stream = static_cast<uint32_t>(bits & 1),
            .other = entry.other.load(std::memory_order_acquire)};
  }
  void Store(OrderEntry* entry) const {
    entry->other.store(other, std::memory_order_release);
    entry->end_and_stream.store(end << 1 | stream, std::memory_order_release);
  }
};

inline constexpr size_t kHeaderBytes = 4096;
inline constexpr size_t kOrderEntries = 4096;
inline constexpr size_t kDefaultRingBytes = 512 * 1024;
// Room for one output ring in a slot. The arena is sparse: what is not used costs address space
// only.
inline constexpr size_t kMaxRingBytes = 1024 * 1024;
inline constexpr size_t kInputRingBytes = 512 * 1024;
inline constexpr size_t kSlotBytes =
    kHeaderBytes + kOrderEntries * sizeof(OrderEntry) + kStreams * kMaxRingBytes;

// Where the parts of slot `slot` lie.
constexpr size_t HeaderOffset(uint32_t slot) { return slot * kSlotBytes; }
constexpr size_t OrderOffset(uint32_t slot) { return HeaderOffset(slot) + kHeaderBytes; }
constexpr size_t RingOffset(uint32_t slot, uint32_t stream) {
  return OrderOffset(slot) + kOrderEntries * sizeof(OrderEntry) + stream * kMaxRingBytes;
}
constexpr size_t InputOffset(uint32_t slot) { return slot * kInputRingBytes; }

}  // namespace nacre
