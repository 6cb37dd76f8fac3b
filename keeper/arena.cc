#include "keeper/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "absl/strings/str_format.h"

namespace nacre::keeper {
namespace {

// A slot that carried more than this gives its memory back: keeping it would let every slot grow to
// its full size, giving it back costs page faults on the next use.
constexpr uint64_t kKeptBytes = 64 * 1024;

absl::StatusOr<UniqueFd> CreateMemory(const char* name, size_t bytes) {
  UniqueFd fd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "memfd_create");
  // Owner only, so that an unprivileged front can't reopen it for writing through /proc.
  if (fchmod(fd.get(), 0600) != 0 || ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0 ||
      fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return absl::ErrnoToStatus(errno, name);
  }
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Arena>> Arena::Create(uint32_t slots) {
  std::unique_ptr<Arena> arena(new Arena(slots));
  const size_t output_bytes = slots * kSlotBytes;
  const size_t input_bytes = slots * kInputRingBytes;
  auto output = CreateMemory("nacre-output", output_bytes);
  if (!output.ok()) return output.status();
  auto input = CreateMemory("nacre-input", input_bytes);
  if (!input.ok()) return input.status();
  arena->output_fd_ = *std::move(output);
  arena->input_fd_ = *std::move(input);
  arena->front_output_fd_.reset(open(
      absl::StrFormat("/proc/self/fd/%d", arena->output_fd_.get()).c_str(), O_RDONLY | O_CLOEXEC));
  if (!arena->front_output_fd_.valid()) return absl::ErrnoToStatus(errno, "output arena");
  void* output_map = mmap(nullptr, output_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                          arena->output_fd_.get(), 0);
  if (output_map == MAP_FAILED) return absl::ErrnoToStatus(errno, "mapping the output arena");
  arena->output_ = static_cast<char*>(output_map);
  void* input_map =
      mmap(nullptr, input_bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE, arena->input_fd_.get(), 0);
  if (input_map == MAP_FAILED) return absl::ErrnoToStatus(errno, "mapping the input arena");
  arena->input_ = static_cast<const char*>(input_map);
  for (uint32_t slot = slots; slot-- > 0;) arena->free_.push_back(slot);
  return arena;
}

Arena::~Arena() {
  if (output_ != nullptr) munmap(output_, slots_ * kSlotBytes);
  if (input_ != nullptr) munmap(const_cast<char*>(input_), slots_ * kInputRingBytes);
}

SlotHeader& Arena::header(uint32_t slot) const {
  return *reinterpret_cast<SlotHeader*>(output_ + HeaderOffset(slot));
}

OrderEntry* Arena::order(uint32_t slot) const {
  return reinterpret_cast<OrderEntry*>(output_ + OrderOffset(slot));
}

int64_t Arena::Take() {
  if (free_.empty()) return -1;
  const uint32_t slot = free_.back();
  free_.pop_back();
  header(slot).total.store(0, std::memory_order_relaxed);
  header(slot).order_count.store(0, std::memory_order_relaxed);
  header(slot).order_tail.store(0, std::memory_order_relaxed);
  header(slot).kept.store(0, std::memory_order_relaxed);
  header(slot).consumed.store(0, std::memory_order_relaxed);
  return slot;
}

void Arena::Return(uint32_t slot, uint64_t dirty_bytes) {
  if (dirty_bytes > kKeptBytes) {
    const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    fallocate(output_fd_.get(), mode, static_cast<off_t>(OrderOffset(slot)),
              kSlotBytes - kHeaderBytes);
    fallocate(input_fd_.get(), mode, static_cast<off_t>(InputOffset(slot)), kInputRingBytes);
  }
  free_.push_back(slot);
}

}  // namespace nacre::keeper
