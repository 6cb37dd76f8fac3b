#include "compat/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>

#include <utility>

#include "absl/status/status.h"

namespace nacre::compat {
namespace {

// Of one reply, and of all.
constexpr uint64_t kReplyMemory = 64 * 1024;
constexpr uint64_t kMemory = 16 * 1024 * 1024;
// Part of the disk that replies leave free: one in so many.
constexpr uint64_t kReserve = 20;

}  // namespace

bool Spool::Lease::TakeMemory(uint64_t bytes) {
  if (bytes > kReplyMemory - memory_ || bytes > spool_->memory_left_) return false;
  memory_ += bytes;
  spool_->memory_left_ -= bytes;
  return true;
}

bool Spool::Lease::TakeDisk(uint64_t bytes) {
  if (bytes > spool_->disk_left_) return false;
  disk_ += bytes;
  spool_->disk_left_ -= bytes;
  return true;
}

void Spool::Lease::Clear() {
  if (spool_ == nullptr) return;  // moved from
  spool_->memory_left_ += std::exchange(memory_, 0);
  spool_->disk_left_ += std::exchange(disk_, 0);
}

std::shared_ptr<Spool> Spool::In(UniqueFd directory, uint64_t disk_bytes) {
  return std::shared_ptr<Spool>(new Spool(std::move(directory), kMemory, disk_bytes));
}

absl::StatusOr<UniqueFd> Spool::NewFile() const {
  UniqueFd file(openat(directory_.get(), ".", O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600));
  if (!file.valid()) return absl::ErrnoToStatus(errno, "spool");
  return file;
}

absl::Status Spool::CheckDisk(int file) const {
  struct statvfs disk;
  if (fstatvfs(file, &disk) != 0) return absl::ErrnoToStatus(errno, "spool");
  if (disk.f_bavail > disk.f_blocks / kReserve) return absl::OkStatus();
  return absl::ResourceExhaustedError("spool: the disk is nearly full");
}

}  // namespace nacre::compat
