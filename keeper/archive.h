#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/throttle.h"
#include "base/unique_fd.h"
#include "keeper/log_image.h"
#include "nacre/keeper/v1/keeper.pb.h"

namespace nacre::keeper {

// Sessions that have ended and whose slots others use: each one's record and what was kept of its
// output. Logs lie on the heap as long as these are small together, the others in a file each;
// none holds a descriptor. Keeper's thread only.
class Archive {
 public:
  static constexpr size_t kHeapBytes = size_t{24} * 1024 * 1024;

  // Files go to `directory`, made if missing. Removes what an earlier keeper has left there.
  static absl::StatusOr<std::unique_ptr<Archive>> Open(std::string directory,
                                                       size_t heap_bytes = kHeapBytes);
  // Removes its files.
  ~Archive();

  // Puts a session away that has ended at `ended_ns` (MonotonicNs). A log that can't be written is
  // lost: that is logged, and OpenLog tells.
  void Put(v1::Adopted record, int64_t ended_ns, const SlotPieces& log);
  bool Has(uint64_t number) const { return sessions_.contains(number); }
  // Whether it was there.
  bool Forget(uint64_t number);

  // Describes the first session after `*number`, which becomes its. False: there is none.
  bool DescribeNext(uint64_t* number, v1::Adopted* record) const;

  // What LogOpened says of a session, and the descriptor unless it is lost.
  UniqueFd OpenLog(uint64_t number, v1::LogOpened* opened) const;

  size_t size() const { return sessions_.size(); }
  size_t heap_bytes() const { return heap_used_; }

 private:
  // Where a log lies.
  struct InFile {};
  struct Lost {
    std::string why;
  };
  using Log = std::variant<std::string, InFile, Lost>;  // a string: packed, on the heap

  struct Session {
    std::string record;  // serialized Adopted
    int64_t ended_ns;
    size_t ring_bytes;
    Log log;
  };

  Archive(std::string directory, size_t heap_bytes)
      : directory_(std::move(directory)), heap_limit_(heap_bytes) {}

  std::string PathOf(uint64_t number) const;
  absl::Status RemoveLeftovers() const;
  Log Keep(uint64_t number, const SlotPieces& log);
  absl::Status WriteFile(const std::string& path, const SlotPieces& log) const;
  void Drop(uint64_t number, const Session& session);

  const std::string directory_;
  const size_t heap_limit_;
  std::map<uint64_t, Session> sessions_;
  // The most there were since memory was given back.
  size_t most_ = 0;
  size_t heap_used_ = 0;
  Throttle warnings_{/*burst=*/10, /*period_ns=*/60'000'000'000};
};

}  // namespace nacre::keeper
