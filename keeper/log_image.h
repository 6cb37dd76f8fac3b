#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

// A sparse copy of one slot of the output arena (base/ring_layout.h): what is still needed of a
// session that has ended.
namespace nacre::keeper {

// Some bytes and where in a slot they lie. Borrows them.
struct SlotPiece {
  size_t offset;
  std::string_view bytes;
};
using SlotPieces = std::vector<SlotPiece>;

// What PackPieces takes.
size_t PackedSize(const SlotPieces& pieces);
std::string PackPieces(const SlotPieces& pieces);
// Of a string that PackPieces made; they lie in it.
SlotPieces UnpackPieces(std::string_view packed);

// Makes an empty file a slot that holds these pieces and zeros otherwise.
absl::Status WriteSlot(int fd, const SlotPieces& pieces);

}  // namespace nacre::keeper
