#include "executor/log_view.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

namespace nacre {

LogView LogView::OfSlot(const SharedRings& rings, uint32_t slot, size_t ring_bytes) {
  return {.header = &rings.header(slot),
          .order = rings.order(slot),
          .rings = {rings.ring(slot, kStdout), rings.ring(slot, kStderr)},
          .ring_bytes = ring_bytes,
          .mapping = nullptr};
}

absl::StatusOr<LogView> LogView::Map(UniqueFd fd, size_t ring_bytes) {
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return absl::ErrnoToStatus(errno, "log");
  if (info.st_size < static_cast<off_t>(kSlotBytes)) {
    return absl::InvalidArgumentError("a log's file is too short");
  }
  if (ring_bytes == 0 || ring_bytes > kMaxRingBytes) {
    return absl::InvalidArgumentError("a log's rings have an impossible size");
  }
  void* bytes = mmap(nullptr, kSlotBytes, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (bytes == MAP_FAILED) return absl::ErrnoToStatus(errno, "mapping a log");
  const char* slot = static_cast<const char*>(bytes);
  return LogView{.header = reinterpret_cast<const SlotHeader*>(slot + HeaderOffset(0)),
                 .order = reinterpret_cast<const OrderEntry*>(slot + OrderOffset(0)),
                 .rings = {slot + RingOffset(0, kStdout), slot + RingOffset(0, kStderr)},
                 .ring_bytes = ring_bytes,
                 .mapping = std::shared_ptr<const char>(slot, [](const char* mapped) {
                   munmap(const_cast<char*>(mapped), kSlotBytes);
                 })};
}

}  // namespace nacre
