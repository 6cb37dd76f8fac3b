#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "base/unique_fd.h"
#include "executor/file_request.h"
#include "nacre/v1/file.pb.h"

struct XXH3_state_s;

namespace nacre {

// Frees what XXH3_createState has made.
struct FreeXxh3 {
  void operator()(XXH3_state_s* state) const;
};

// A regular file that is read from one position to another, as the parts that ReadFile answers.
// Blocks. One thread at a time.
class FileSource {
 public:
  // Largest part.
  static constexpr size_t kPartBytes = 256 * 1024;

  // `request`: for errors. `entry`: the file as it was opened.
  FileSource(UniqueFd fd, const files::v1::Entry& entry, const v1::ReadFileRequest& range,
             FileRequest request);

  // Whether the range, and what the caller expects, fit the file: FILE_CHANGED, BEYOND_END; and
  // that it is a regular file, whatever is said of it.
  absl::Status Check();

  // The next part: head, data and holes, end. Not after `end`.
  absl::Status Next(v1::ReadFileResponse* part);

  uint64_t bytes() const { return position_ - begin_; }

 private:
  absl::Status ReadData(v1::ReadFileResponse* part);
  uint64_t HoleAt(uint64_t position) const;
  void PassHole(uint64_t length, v1::ReadFileResponse* part);
  void Finish(v1::ReadFileResponse* part);

  const UniqueFd fd_;
  const files::v1::Entry entry_;
  const FileRequest request_;
  const std::string expected_version_;
  const bool accept_holes_;
  // A file that says it is empty may have content nevertheless: its end is where it is found.
  const bool sized_;
  const uint64_t begin_;
  uint64_t end_;
  uint64_t position_;
  uint64_t data_until_ = 0;
  bool headed_ = false;
  std::unique_ptr<XXH3_state_s, FreeXxh3> digest_;
};

}  // namespace nacre
