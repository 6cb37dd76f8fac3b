#include "keeper/log_image.h"

#include <errno.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

#include "base/ring_layout.h"

namespace nacre::keeper {
namespace {

// What stands before a piece's bytes.
struct PieceHead {
  uint32_t offset;
  uint32_t size;
};
static_assert(kSlotBytes <= UINT32_MAX);

}  // namespace

size_t PackedSize(const SlotPieces& pieces) {
  size_t size = 0;
  for (const SlotPiece& piece : pieces) size += sizeof(PieceHead) + piece.bytes.size();
  return size;
}

std::string PackPieces(const SlotPieces& pieces) {
  std::string packed;
  packed.reserve(PackedSize(pieces));
  for (const SlotPiece& piece : pieces) {
    const PieceHead head{.offset = static_cast<uint32_t>(piece.offset),
                         .size = static_cast<uint32_t>(piece.bytes.size())};
    packed.append(reinterpret_cast<const char*>(&head), sizeof(head));
    packed.append(piece.bytes);
  }
  return packed;
}

SlotPieces UnpackPieces(std::string_view packed) {
  SlotPieces pieces;
  while (!packed.empty()) {
    PieceHead head;
    memcpy(&head, packed.data(), sizeof(head));
    packed.remove_prefix(sizeof(head));
    pieces.push_back({.offset = head.offset, .bytes = packed.substr(0, head.size)});
    packed.remove_prefix(head.size);
  }
  return pieces;
}

absl::Status WriteSlot(int fd, const SlotPieces& pieces) {
  if (ftruncate(fd, kSlotBytes) != 0) return absl::ErrnoToStatus(errno, "ftruncate");
  for (SlotPiece piece : pieces) {
    while (!piece.bytes.empty()) {
      const ssize_t written =
          pwrite(fd, piece.bytes.data(), piece.bytes.size(), static_cast<off_t>(piece.offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return absl::ErrnoToStatus(errno, "write");
      piece.offset += static_cast<size_t>(written);
      piece.bytes.remove_prefix(static_cast<size_t>(written));
    }
  }
  return absl::OkStatus();
}

}  // namespace nacre::keeper
