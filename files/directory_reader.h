#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "files/outcome.h"

namespace nacre::files {

// Reads the entries of an open directory with a buffer of fixed size, "." and ".." left out. Not
// thread-safe. Borrows the descriptor.
class DirectoryReader {
 public:
  struct Item {
    // Good until the next call.
    const char* name = nullptr;
    // DT_*.
    unsigned char type = 0;
    // Where to go on behind it: for lseek, by this or a later descriptor of the directory.
    int64_t next = 0;
  };

  DirectoryReader(int directory, size_t buffer_bytes);

  // A null name: that was the last.
  Result<Item> Next();

  // From the beginning.
  void Rewind();

 private:
  int directory_;
  size_t size_;
  std::unique_ptr<char[]> buffer_;
  size_t begin_ = 0, end_ = 0;
};

}  // namespace nacre::files
