#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compat/disk_file.h"
#include "compat/spool.h"
#include "net/fd_budget.h"

namespace nacre::compat {

// What one stream of a command wrote: its beginning in memory, the rest in a file; behind it what
// we have to say.
struct Collected {
  std::string memory;
  DiskFile file;
  uint64_t file_bytes = 0;
  bool spilled = false;         // what comes now belongs into the file
  FdBudget::Share descriptors;  // for the file
  std::string tail;

  uint64_t size() const { return memory.size() + file_bytes + tail.size(); }
};

// What a client is sent: pieces in order, each bytes or a file from its beginning.
struct Reply {
  struct Piece {
    std::string bytes;
    DiskFile file;
    uint64_t file_bytes = 0;
    FdBudget::Share descriptors;
  };

  void Add(std::string bytes) {
    if (!bytes.empty()) pieces.push_back(Piece{.bytes = std::move(bytes)});
  }
  void Add(Collected collected) {
    Add(std::move(collected.memory));
    if (collected.file_bytes > 0) {
      pieces.push_back(Piece{.bytes = {},
                             .file = std::move(collected.file),
                             .file_bytes = collected.file_bytes,
                             .descriptors = std::move(collected.descriptors)});
    }
    Add(std::move(collected.tail));
  }

  std::vector<Piece> pieces;
  // What the pieces take of the spool.
  std::optional<Spool::Lease> lease;
};

}  // namespace nacre::compat
