#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/unique_fd.h"
#include "executor/file_request.h"
#include "nacre/v1/file.pb.h"
#include "server/file_source.h"

namespace nacre {

// A temporary file that an upload is written into, from an offset on. Blocks. One thread at a time.
class FileSink {
 public:
  // `request`: for errors. `stop`: what takes long ends early, with CANCELLED, once it is true.
  FileSink(UniqueFd fd, uint64_t offset, FileRequest request, const std::atomic<bool>& stop);

  // That it is a regular file, whatever is said of it.
  absl::Status Check() const;
  absl::Status Write(const std::string& data);
  absl::Status Hole(uint64_t length);
  // All is written: cut to its size, compared, and with `sync` on the disk. CHECKSUM_MISMATCH.
  absl::Status Finish(const v1::WriteFinish& finish, bool sync);

  // Of the whole file so far.
  uint64_t size() const { return position_; }

 private:
  absl::Status Compare(const v1::WriteFinish& finish);
  absl::Status CompareSha256(const std::string& expected) const;
  absl::Status DigestAgain();
  absl::Status DigestZeros(uint64_t length);
  absl::Status ForEachByte(const std::function<void(std::string_view)>& take) const;
  absl::Status Failed(int error) const;
  absl::Status Mismatch(const std::string& what) const;

  const UniqueFd fd_;
  const FileRequest request_;
  // What lies before it was written by another call, so its digest is not known.
  const uint64_t offset_;
  const std::atomic<bool>& stop_;
  uint64_t position_;
  std::unique_ptr<XXH3_state_s, FreeXxh3> digest_;
};

}  // namespace nacre
