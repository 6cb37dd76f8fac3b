#include "client/cli/copy/local_source.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "client/cli/copy/job.h"
#include "client/file_hash.h"

namespace nacre::cli {
namespace {

constexpr uint64_t kBlockBytes = 512;  // As st_blocks counts.
// Of a hole at once: whoever hashes it may be stopped after that.
constexpr uint64_t kHoleBytes = 1 << 30;

}  // namespace

LocalSource::LocalSource(UniqueFd fd, const struct stat& opened,
                         std::function<void(uint64_t)> advance, std::function<void(uint64_t)> skip,
                         std::function<bool()> stopped)
    : fd_(std::move(fd)),
      opened_(opened),
      size_(opened.st_size == 0 ? UINT64_MAX : static_cast<uint64_t>(opened.st_size)),
      advance_(std::move(advance)),
      skip_(std::move(skip)),
      stopped_(std::move(stopped)),
      sparse_(static_cast<uint64_t>(opened.st_blocks) * kBlockBytes <
              static_cast<uint64_t>(opened.st_size)) {}

absl::Status LocalSource::Read(uint64_t offset, size_t most, std::string* data, uint64_t* hole) {
  failed_ = stopped_() ? absl::CancelledError("interrupted") : ReadPiece(offset, most, data, hole);
  const uint64_t end = offset + data->size() + *hole;
  if (failed_.ok() && end > furthest_) {
    const uint64_t begin = std::max(furthest_, offset);
    const uint64_t had = std::clamp(there_, begin, end);
    if (had > begin) skip_(had - begin);
    if (end > had) advance_(end - had);
    furthest_ = end;
  }
  return failed_;
}

absl::Status LocalSource::ReadPiece(uint64_t offset, size_t most, std::string* data,
                                    uint64_t* hole) {
  *hole = HoleAt(offset);
  if (*hole > 0 || offset >= size_) {
    data->clear();
    return absl::OkStatus();
  }
  uint64_t end = size_;
  if (sparse_ && data_begin_ <= offset && offset < data_end_) end = std::min(end, data_end_);
  return ReadData(offset, std::min<uint64_t>(most, end - offset), data);
}

absl::Status LocalSource::ReadData(uint64_t offset, size_t most, std::string* data) const {
  data->resize(most);
  size_t filled = 0;
  while (filled < most) {
    const ssize_t bytes = ::pread(fd_.get(), data->data() + filled, most - filled,
                                  static_cast<off_t>(offset + filled));
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return LocalError(errno);
    if (bytes == 0) break;
    filled += static_cast<size_t>(bytes);
  }
  data->resize(filled);
  return absl::OkStatus();
}

// How many bytes of a hole begin there.
uint64_t LocalSource::HoleAt(uint64_t offset) {
  if (!sparse_ || offset >= size_ || (data_begin_ <= offset && offset < data_end_)) return 0;
  const off_t data = ::lseek(fd_.get(), static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0 && errno == ENXIO) return std::min(size_ - offset, kHoleBytes);  // To the end.
  const off_t end = data < 0 ? -1 : ::lseek(fd_.get(), data, SEEK_HOLE);
  if (end < 0) {
    sparse_ = false;  // A file system that does not tell.
    return 0;
  }
  data_begin_ = static_cast<uint64_t>(data);
  data_end_ = static_cast<uint64_t>(end);
  return std::min(std::min(data_begin_, size_) - offset, kHoleBytes);
}

absl::StatusOr<std::string> LocalSource::Checksum() const {
  client::FileHash hash;
  std::string buffer;
  for (;;) {
    if (stopped_()) return absl::CancelledError("interrupted");
    if (absl::Status status = ReadData(hash.bytes(), 64 << 10, &buffer); !status.ok())
      return status;
    if (buffer.empty()) return hash.Canonical();
    hash.Add(buffer);
  }
}

bool LocalSource::HasChanged() const {
  struct stat now {};
  if (::fstat(fd_.get(), &now) != 0) return true;
  return now.st_size != opened_.st_size || now.st_mtim.tv_sec != opened_.st_mtim.tv_sec ||
         now.st_mtim.tv_nsec != opened_.st_mtim.tv_nsec;
}

}  // namespace nacre::cli
