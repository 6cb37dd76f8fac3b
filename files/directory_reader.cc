#include "files/directory_reader.h"

#include <dirent.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

namespace nacre::files {
namespace {

// struct linux_dirent64, which no header has.
constexpr size_t kNextAt = 8, kLengthAt = 16, kTypeAt = 18, kNameAt = 19;

bool IsDots(const char* name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

}  // namespace

DirectoryReader::DirectoryReader(int directory, size_t buffer_bytes)
    : directory_(directory), size_(buffer_bytes), buffer_(new char[buffer_bytes]) {}

Result<DirectoryReader::Item> DirectoryReader::Next() {
  for (;;) {
    if (begin_ == end_) {
      const long got = syscall(SYS_getdents64, directory_, buffer_.get(), size_);
      if (got < 0) return Errno();
      begin_ = 0;
      end_ = static_cast<size_t>(got);
      if (got == 0) return Item();
    }
    const char* entry = buffer_.get() + begin_;
    uint16_t length;
    Item item{.name = entry + kNameAt, .type = static_cast<unsigned char>(entry[kTypeAt])};
    memcpy(&item.next, entry + kNextAt, sizeof(item.next));
    memcpy(&length, entry + kLengthAt, sizeof(length));
    begin_ += length;
    if (!IsDots(item.name)) return item;
  }
}

void DirectoryReader::Rewind() {
  begin_ = end_ = 0;
  lseek(directory_, 0, SEEK_SET);
}

}  // namespace nacre::files
