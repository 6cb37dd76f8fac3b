#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace nacre::compat {

// Memory and disk that replies on their way may take, over all listeners. Loop only, except
// NewFile.
class Spool : public std::enable_shared_from_this<Spool> {
 public:
  // What one reply takes; given back on destruction.
  class Lease {
   public:
    explicit Lease(std::shared_ptr<Spool> spool) : spool_(std::move(spool)) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() { Clear(); }

    // False: not so much more may be taken.
    bool TakeMemory(uint64_t bytes);
    bool TakeDisk(uint64_t bytes);
    // Gives everything back.
    void Clear();

   private:
    std::shared_ptr<Spool> spool_;
    uint64_t memory_ = 0, disk_ = 0;
  };

  // Files go into `directory`, and take `disk_bytes` together.
  static std::shared_ptr<Spool> In(UniqueFd directory, uint64_t disk_bytes);

  Lease NewLease() { return Lease(shared_from_this()); }

  // An empty file without a name: gone when it is closed. Any thread; may block.
  absl::StatusOr<UniqueFd> NewFile() const;
  // RESOURCE_EXHAUSTED when the disk of `file` is nearly full: replies must never take the room of
  // the audit. Any thread; may block.
  absl::Status CheckDisk(int file) const;

 private:
  Spool(UniqueFd directory, uint64_t memory_bytes, uint64_t disk_bytes)
      : directory_(std::move(directory)), memory_left_(memory_bytes), disk_left_(disk_bytes) {}

  const UniqueFd directory_;
  uint64_t memory_left_;
  uint64_t disk_left_;
};

}  // namespace nacre::compat
