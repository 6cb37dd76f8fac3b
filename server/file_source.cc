#include "server/file_source.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <limits>

#include "executor/file_error.h"
#include "server/file_translate.h"

namespace nacre {
namespace {

// Longest hole in one part: its zeros take their time in the checksum.
constexpr uint64_t kMaxHole = uint64_t{1} << 30;

uint64_t EndOf(const files::v1::Entry& entry, const v1::ReadFileRequest& range) {
  const uint64_t whole =
      entry.size() > 0 ? entry.size() : static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (!range.has_length() || range.offset() > whole) return whole;
  return range.offset() + std::min(range.length(), whole - range.offset());
}

bool SameTime(const timespec& now, const files::v1::Time& then) {
  return now.tv_sec == then.seconds() && now.tv_nsec == static_cast<int64_t>(then.nanos());
}

}  // namespace

void FreeXxh3::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

FileSource::FileSource(UniqueFd fd, const files::v1::Entry& entry, const v1::ReadFileRequest& range,
                       FileRequest request)
    : fd_(std::move(fd)),
      entry_(entry),
      request_(std::move(request)),
      expected_version_(range.expected_version()),
      accept_holes_(range.accept_holes()),
      sized_(entry.size() > 0),
      begin_(range.offset()),
      end_(EndOf(entry, range)),
      position_(range.offset()),
      digest_(XXH3_createState()) {
  XXH3_128bits_reset(digest_.get());
}

absl::Status FileSource::Check() {
  struct stat info;
  if (!fd_.valid() || fstat(fd_.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return FileError(absl::StatusCode::kFailedPrecondition, "NOT_A_REGULAR_FILE",
                     "it is not a regular file", request_);
  }
  fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
  if (!expected_version_.empty() && expected_version_ != VersionOf(entry_)) {
    return FileError(absl::StatusCode::kFailedPrecondition, "FILE_CHANGED",
                     "it has another version than expected", request_);
  }
  if (sized_ ? begin_ > entry_.size() : begin_ > static_cast<uint64_t>(INT64_MAX)) {
    return FileError(ERANGE, request_);
  }
  return absl::OkStatus();
}

absl::Status FileSource::Next(v1::ReadFileResponse* part) {
  part->Clear();
  if (!std::exchange(headed_, true)) {
    *part->mutable_head() = ToFile(entry_);
    return absl::OkStatus();
  }
  if (position_ >= end_) {
    Finish(part);
    return absl::OkStatus();
  }
  if (accept_holes_ && sized_ && position_ >= data_until_) {
    if (const uint64_t hole = HoleAt(position_); hole > 0) {
      PassHole(hole, part);
      return absl::OkStatus();
    }
  }
  return ReadData(part);
}

// How long the hole is that begins here; 0: there is none. Notes how far the data go.
uint64_t FileSource::HoleAt(uint64_t position) const {
  const off_t data = lseek(fd_.get(), static_cast<off_t>(position), SEEK_DATA);
  if (data < 0) return errno == ENXIO ? std::min(end_ - position, kMaxHole) : 0;
  const auto at = static_cast<uint64_t>(data);
  return at <= position ? 0 : std::min({at - position, end_ - position, kMaxHole});
}

void FileSource::PassHole(uint64_t length, v1::ReadFileResponse* part) {
  static constexpr std::array<char, 64 * 1024> kZeros{};
  part->set_hole(length);
  position_ += length;
  for (uint64_t left = length; left > 0;) {
    const size_t step = std::min<uint64_t>(left, kZeros.size());
    XXH3_128bits_update(digest_.get(), kZeros.data(), step);
    left -= step;
  }
}

absl::Status FileSource::ReadData(v1::ReadFileResponse* part) {
  uint64_t room = std::min<uint64_t>(kPartBytes, end_ - position_);
  if (accept_holes_ && sized_) {
    if (position_ >= data_until_) {
      const off_t hole = lseek(fd_.get(), static_cast<off_t>(position_), SEEK_HOLE);
      data_until_ = hole < 0 ? end_ : std::max(static_cast<uint64_t>(hole), position_ + 1);
    }
    room = std::min(room, data_until_ - position_);
  }
  std::string* data = part->mutable_data();
  data->resize(room);
  ssize_t got;
  do {
    got = pread(fd_.get(), data->data(), room, static_cast<off_t>(position_));
  } while (got < 0 && errno == EINTR);
  if (got < 0) return FileError(errno, request_);
  if (got == 0) {  // it has become shorter, or this is where it ends
    part->Clear();
    end_ = position_;
    Finish(part);
    return absl::OkStatus();
  }
  data->resize(static_cast<size_t>(got));
  XXH3_128bits_update(digest_.get(), data->data(), data->size());
  position_ += static_cast<uint64_t>(got);
  return absl::OkStatus();
}

void FileSource::Finish(v1::ReadFileResponse* part) {
  v1::ReadEnd* end = part->mutable_end();
  end->set_bytes(bytes());
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(digest_.get()));
  end->set_xxh3_128(canonical.digest, sizeof(canonical.digest));
  struct stat now;
  const bool same = fstat(fd_.get(), &now) == 0 && now.st_nlink > 0 &&
                    static_cast<uint64_t>(now.st_size) == entry_.size() &&
                    SameTime(now.st_mtim, entry_.modified()) &&
                    SameTime(now.st_ctim, entry_.changed());
  // One that says it is empty, and is not, is no file whose times mean anything.
  end->set_changed(!same && (sized_ || bytes() == 0));
}

}  // namespace nacre
