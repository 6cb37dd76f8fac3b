#pragma once

#include <array>
#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"
#include "base/ring_layout.h"
#include "base/unique_fd.h"
#include "executor/keeper_link.h"

namespace nacre {

// Where a session's output log lies: in a slot of the shared rings while the session has one, in a
// file of its own afterwards. A value that borrows the rings, or shares the file's mapping with its
// copies. Thread-safe: addresses only.
struct LogView {
  static LogView OfSlot(const SharedRings& rings, uint32_t slot, size_t ring_bytes);
  // Maps a file that holds one slot (base/ring_layout.h). INVALID_ARGUMENT: it can't be one.
  static absl::StatusOr<LogView> Map(UniqueFd fd, size_t ring_bytes);

  const SlotHeader* header = nullptr;
  const OrderEntry* order = nullptr;
  std::array<const char*, kStreams> rings = {};
  size_t ring_bytes = 0;
  // Of Map: unmapped when the last copy goes.
  std::shared_ptr<const char> mapping;
};

}  // namespace nacre
