#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ring_layout.h"
#include "base/unique_fd.h"

namespace nacre::keeper {

// The shared memory of all sessions, cut into slots (base/ring_layout.h). Keeper's thread only.
class Arena {
 public:
  static absl::StatusOr<std::unique_ptr<Arena>> Create(uint32_t slots);
  ~Arena();

  // A free slot with a zeroed header, or -1.
  int64_t Take();
  // Gives a slot back. `dirty_bytes` is what its rings carried; their memory returns to the system
  // when that was much.
  void Return(uint32_t slot, uint64_t dirty_bytes);

  SlotHeader& header(uint32_t slot) const;
  OrderEntry* order(uint32_t slot) const;
  char* ring(uint32_t slot, uint32_t stream) const { return output_ + RingOffset(slot, stream); }
  const char* input(uint32_t slot) const { return input_ + InputOffset(slot); }

  // What a front is given: it can't write the output arena nor resize either.
  int front_output_fd() const { return front_output_fd_.get(); }
  int front_input_fd() const { return input_fd_.get(); }

 private:
  explicit Arena(uint32_t slots) : slots_(slots) {}

  const uint32_t slots_;
  UniqueFd output_fd_, front_output_fd_, input_fd_;
  char* output_ = nullptr;
  const char* input_ = nullptr;
  // Last in, first out, so that warm memory is used again.
  std::vector<uint32_t> free_;
};

}  // namespace nacre::keeper
