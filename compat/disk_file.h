#pragma once

#include <asio/post.hpp>
#include <asio/thread_pool.hpp>
#include <utility>

#include "base/unique_fd.h"

namespace nacre::compat {

// A spool file, closed by a disk thread: giving gigabytes back to the file system takes as long as
// a disk does. The threads outlive it.
class DiskFile {
 public:
  DiskFile() = default;
  DiskFile(asio::thread_pool& disk, UniqueFd fd) : disk_(&disk), fd_(std::move(fd)) {}
  DiskFile(DiskFile&&) = default;
  DiskFile& operator=(DiskFile&& other) noexcept {
    std::swap(disk_, other.disk_);
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~DiskFile() {
    if (fd_.valid()) asio::post(*disk_, [fd = std::move(fd_)] {});
  }

  bool valid() const { return fd_.valid(); }
  int get() const { return fd_.get(); }

 private:
  asio::thread_pool* disk_ = nullptr;
  UniqueFd fd_;
};

}  // namespace nacre::compat
