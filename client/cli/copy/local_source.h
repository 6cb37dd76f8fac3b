// Files of ours that are sent to a node.
#ifndef NACRE_CLIENT_CLI_COPY_LOCAL_SOURCE_H_
#define NACRE_CLIENT_CLI_COPY_LOCAL_SOURCE_H_

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <string>

#include "base/unique_fd.h"
#include "nacre/files.h"

namespace nacre::cli {

// A regular file that is read as long as it was when it was opened, without its holes; one that
// says it is empty, as in /proc, to its end. Belongs to one thread at a time.
class LocalSource : public client::UploadSource {
 public:
  // `advance` hears of each byte once, when it is first read, or `skip` of one that the node has;
  // while `stopped` is true, nothing is read.
  LocalSource(UniqueFd fd, const struct stat& opened, std::function<void(uint64_t)> advance,
              std::function<void(uint64_t)> skip, std::function<bool()> stopped);

  absl::Status Read(uint64_t offset, size_t most, std::string* data, uint64_t* hole) override;

  void HasUpTo(uint64_t offset) override { there_ = offset; }

  // XXH3-128 of all of it.
  absl::StatusOr<std::string> Checksum() const;

  // Whether the file is not as it was when it was opened.
  bool HasChanged() const;

  // Of Read(); OK so far.
  const absl::Status& failed() const { return failed_; }

 private:
  absl::Status ReadPiece(uint64_t offset, size_t most, std::string* data, uint64_t* hole);
  absl::Status ReadData(uint64_t offset, size_t most, std::string* data) const;
  uint64_t HoleAt(uint64_t offset);

  const UniqueFd fd_;
  const struct stat opened_;
  const uint64_t size_;
  const std::function<void(uint64_t)> advance_;
  const std::function<void(uint64_t)> skip_;
  const std::function<bool()> stopped_;
  bool sparse_;
  // The last data that was found between holes.
  uint64_t data_begin_ = 0;
  uint64_t data_end_ = 0;
  uint64_t furthest_ = 0;
  uint64_t there_ = 0;  // The node has had so much from the beginning.
  absl::Status failed_;
};

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_COPY_LOCAL_SOURCE_H_
