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
// Positions count the bytes of both streams together in order of arrival and never change. Entry i
// of the order index says up to which position the bytes came from which stream; the last entry may
// still grow. Per stream, byte number n lies in its ring at n modulo the ring's size.
//
// Writing order: bytes into the ring, order entry, order_count, total; the last three are release
// stores. A reader loads `total`, then `order_count`, then entries, each with acquire, and never
// looks past `total`. The writer stores `order_tail` before it uses a released entry's place again,
// so a reader that loads it after an entry knows whether that entry was still its own.
namespace nacre {

inline constexpr uint32_t kStreams = 2;
inline constexpr uint32_t kStdout = 0;
inline constexpr uint32_t kStderr = 1;

struct SlotHeader {
  // Position after the last byte published.
  std::atomic<uint64_t> total;
  // Entries ever appended to the order index.
  std::atomic<uint64_t> order_count;
  // Entries of the order index that are released: their places may be taken by later ones.
  std::atomic<uint64_t> order_tail;
  // Input bytes written to the command.
  std::atomic<uint64_t> consumed;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

// One entry of the order index.
class OrderEntry {
 public:
  OrderEntry() = default;
  OrderEntry(uint64_t end, uint32_t stream) : bits_(end << 1 | stream) {}

  uint64_t end() const { return bits_ >> 1; }
  uint32_t stream() const { return bits_ & 1; }
  uint64_t bits() const { return bits_; }
  static OrderEntry FromBits(uint64_t bits) {
    OrderEntry entry;
    entry.bits_ = bits;
    return entry;
  }

 private:
  uint64_t bits_ = 0;
};

inline constexpr size_t kHeaderBytes = 4096;
inline constexpr size_t kOrderEntries = 4096;
inline constexpr size_t kDefaultRingBytes = 256 * 1024;
// Room for one output ring in a slot. The arena is sparse: what is not used costs address space
// only.
inline constexpr size_t kMaxRingBytes = 1024 * 1024;
inline constexpr size_t kInputRingBytes = 256 * 1024;
inline constexpr size_t kSlotBytes =
    kHeaderBytes + kOrderEntries * sizeof(uint64_t) + kStreams * kMaxRingBytes;

// Where the parts of slot `slot` lie.
constexpr size_t HeaderOffset(uint32_t slot) { return slot * kSlotBytes; }
constexpr size_t OrderOffset(uint32_t slot) { return HeaderOffset(slot) + kHeaderBytes; }
constexpr size_t RingOffset(uint32_t slot, uint32_t stream) {
  return OrderOffset(slot) + kOrderEntries * sizeof(uint64_t) + stream * kMaxRingBytes;
}
constexpr size_t InputOffset(uint32_t slot) { return slot * kInputRingBytes; }

}  // namespace nacre
