#include "server/file_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <string_view>

#include "absl/strings/str_format.h"
#include "executor/file_error.h"

namespace nacre {
namespace {

constexpr size_t kStepBytes = 256 * 1024;
constexpr uint64_t kMaxSize = std::numeric_limits<int64_t>::max();

absl::Status Stopped() { return absl::CancelledError("the call was cancelled"); }

}  // namespace

FileSink::FileSink(UniqueFd fd, uint64_t offset, FileRequest request, const std::atomic<bool>& stop)
    : fd_(std::move(fd)),
      request_(std::move(request)),
      offset_(offset),
      stop_(stop),
      position_(offset),
      digest_(XXH3_createState()) {
  XXH3_128bits_reset(digest_.get());
}

absl::Status FileSink::Check() const {
  struct stat info;
  if (!fd_.valid() || fstat(fd_.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return FileError(absl::StatusCode::kFailedPrecondition, "NOT_A_REGULAR_FILE",
                     "it is not a regular file", request_);
  }
  return absl::OkStatus();
}

absl::Status FileSink::Failed(int error) const {
  if (error != EIO) return FileError(error, request_);
  return FileError(absl::StatusCode::kDataLoss, "WRITE_FAILED", "input/output error", request_);
}

absl::Status FileSink::Write(const std::string& data) {
  for (size_t written = 0; written < data.size();) {
    const ssize_t put = pwrite(fd_.get(), data.data() + written, data.size() - written,
                               static_cast<off_t>(position_));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return Failed(put < 0 ? errno : ENOSPC);
    written += static_cast<size_t>(put);
    position_ += static_cast<uint64_t>(put);
  }
  if (offset_ == 0) XXH3_128bits_update(digest_.get(), data.data(), data.size());
  return absl::OkStatus();
}

absl::Status FileSink::Hole(uint64_t length) {
  if (length > kMaxSize - position_) return Failed(EFBIG);
  position_ += length;
  if (ftruncate(fd_.get(), static_cast<off_t>(position_)) != 0) return Failed(errno);
  return offset_ == 0 ? DigestZeros(length) : absl::OkStatus();
}

absl::Status FileSink::DigestZeros(uint64_t length) {
  static constexpr std::array<char, 64 * 1024> kZeros{};
  for (uint64_t left = length; left > 0;) {
    if (stop_) return Stopped();
    const size_t step = std::min<uint64_t>(left, kZeros.size());
    XXH3_128bits_update(digest_.get(), kZeros.data(), step);
    left -= step;
  }
  return absl::OkStatus();
}

// Calls `take` with all that the file holds, in order.
absl::Status FileSink::ForEachByte(const std::function<void(std::string_view)>& take) const {
  std::string buffer(kStepBytes, '\0');
  for (off_t at = 0;;) {
    if (stop_) return Stopped();
    const ssize_t got = pread(fd_.get(), buffer.data(), buffer.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(errno, request_);
    if (got == 0) return absl::OkStatus();
    take({buffer.data(), static_cast<size_t>(got)});
    at += got;
  }
}

absl::Status FileSink::Mismatch(const std::string& what) const {
  return FileError(absl::StatusCode::kDataLoss, "CHECKSUM_MISMATCH",
                   what + "; what has come is dropped, and an old file is as it was", request_);
}

absl::Status FileSink::DigestAgain() {
  XXH3_128bits_reset(digest_.get());
  return ForEachByte([this](std::string_view bytes) {
    XXH3_128bits_update(digest_.get(), bytes.data(), bytes.size());
  });
}

absl::Status FileSink::CompareSha256(const std::string& expected) const {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  absl::Status read = ForEachByte([&context](std::string_view bytes) {
    EVP_DigestUpdate(context.get(), bytes.data(), bytes.size());
  });
  EVP_DigestFinal_ex(context.get(), digest.data(), &length);
  if (!read.ok()) return read;
  const std::string_view have(reinterpret_cast<const char*>(digest.data()), length);
  return have == expected ? absl::OkStatus() : Mismatch("its SHA-256 is not the one expected");
}

absl::Status FileSink::Compare(const v1::WriteFinish& finish) {
  if (finish.has_size() && finish.size() != position_) {
    return Mismatch(absl::StrFormat("it has %d bytes, %d were expected", position_, finish.size()));
  }
  if (!finish.xxh3_128().empty()) {
    if (offset_ > 0) {
      if (absl::Status status = DigestAgain(); !status.ok()) return status;
    }
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(digest_.get()));
    const std::string_view have(reinterpret_cast<const char*>(canonical.digest),
                                sizeof(canonical.digest));
    if (have != finish.xxh3_128()) return Mismatch("its XXH3-128 is not the one expected");
  }
  return finish.sha256().empty() ? absl::OkStatus() : CompareSha256(finish.sha256());
}

absl::Status FileSink::Finish(const v1::WriteFinish& finish, bool sync) {
  if (ftruncate(fd_.get(), static_cast<off_t>(position_)) != 0) return Failed(errno);
  if (absl::Status status = Compare(finish); !status.ok()) return status;
  if (sync && fsync(fd_.get()) != 0) return Failed(errno);
  return absl::OkStatus();
}

}  // namespace nacre
