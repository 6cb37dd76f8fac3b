#include "files/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

namespace nacre::files {
namespace {

constexpr size_t kBuffer = 256 * 1024;

// Bytes copied; 0 at the end of `from`; -1 and errno.
ssize_t CopySome(int from, int to, off_t at, size_t bytes, char* buffer) {
  const ssize_t got = pread(from, buffer, std::min(bytes, kBuffer), at);
  return got <= 0 ? got : pwrite(to, buffer, got, at);
}

Outcome CopyRange(int from, int to, off_t at, off_t end) {
  std::unique_ptr<char[]> buffer;
  while (at < end) {
    ssize_t copied = -1;
    if (buffer == nullptr) {
      off_t in = at, out = at;
      copied = copy_file_range(from, &in, to, &out, end - at, 0);
      // Not every file system can, and some say 0 where they can't.
      if (copied <= 0) buffer.reset(new char[kBuffer]);
    }
    if (buffer != nullptr) copied = CopySome(from, to, at, end - at, buffer.get());
    if (copied < 0 && errno != EINTR) return Errno();
    if (copied == 0) return Errno(EIO);  // somebody cuts it
    if (copied > 0) at += copied;
  }
  return {};
}

}  // namespace

Outcome CopyBeginning(int from, int to, uint64_t bytes) {
  const off_t end = static_cast<off_t>(bytes);
  if (end == 0) return {};
  if (ioctl(to, FICLONE, from) != 0) {
    off_t at = 0;
    while (at < end) {
      const off_t data = lseek(from, at, SEEK_DATA);
      if (data < 0 && errno == ENXIO) break;  // a hole up to its end
      if (data < 0) return Errno();
      const off_t hole = lseek(from, data, SEEK_HOLE);
      if (hole < 0) return Errno();
      if (const Outcome copied = CopyRange(from, to, data, std::min(hole, end)); !copied.ok()) {
        return copied;
      }
      at = hole;
    }
  }
  return ftruncate(to, end) == 0 ? Outcome() : Errno();
}

}  // namespace nacre::files
