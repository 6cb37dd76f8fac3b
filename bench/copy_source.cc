#include "bench/copy_source.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/unique_fd.h"
#include "bench/interruption.h"
#include "bench/io.h"

namespace nacre::bench {
namespace {

constexpr int kFilesInDirectory = 100;
constexpr uint64_t kMostBytes = 8 * 1024;
constexpr size_t kPiece = 1 << 20;
// When everything was changed last: whoever doesn't keep times is found out.
constexpr timespec kChanged = {.tv_sec = 1'000'000'000, .tv_nsec = 0};
constexpr uint64_t kSeed = 20000;

absl::Status MakeOld(const std::string& path) {
  const timespec times[] = {kChanged, kChanged};
  if (utimensat(AT_FDCWD, path.c_str(), times, 0) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, path);
}

absl::Status MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0755) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, path);
}

absl::Status WriteRandom(const std::string& path, uint64_t bytes, std::mt19937_64* random) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file.valid()) return absl::ErrnoToStatus(errno, path);
  std::vector<uint64_t> piece;
  for (uint64_t done = 0; done < bytes;) {
    const size_t size = std::min<uint64_t>(kPiece, bytes - done);
    piece.resize((size + sizeof(uint64_t) - 1) / sizeof(uint64_t));
    for (uint64_t& word : piece) word = (*random)();
    const std::string_view data(reinterpret_cast<const char*>(piece.data()), size);
    if (absl::Status status = WriteAll(file.get(), data); !status.ok()) return status;
    done += size;
  }
  return MakeOld(path);
}

// Adds up what is found, in whatever order.
class FingerprintTaker {
 public:
  explicit FingerprintTaker(std::string root) : root_(std::move(root)), piece_(kPiece) {}

  absl::Status Add(const std::string& path) {
    struct stat found = {};
    if (lstat(path.c_str(), &found) != 0) return absl::ErrnoToStatus(errno, path);
    if (S_ISREG(found.st_mode)) return AddFile(path, found);
    if (!S_ISDIR(found.st_mode)) {
      return absl::DataLossError(absl::StrCat(path, " is neither a file nor a directory"));
    }
    ++taken_.directories;
    AddEntry(path, found.st_mode, {0, 0, 0});
    return absl::OkStatus();
  }

  const Fingerprint& taken() const { return taken_; }

 private:
  absl::Status AddFile(const std::string& path, const struct stat& found) {
    const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file.valid()) return absl::ErrnoToStatus(errno, path);
    XXH3_64bits_reset(state_.get());
    uint64_t bytes = 0;
    for (;;) {
      const ssize_t got = read(file.get(), piece_.data(), piece_.size());
      if (got < 0) return absl::ErrnoToStatus(errno, path);
      if (got == 0) break;
      XXH3_64bits_update(state_.get(), piece_.data(), static_cast<size_t>(got));
      bytes += static_cast<uint64_t>(got);
    }
    ++taken_.files;
    taken_.bytes += bytes;
    AddEntry(
        path, found.st_mode,
        {bytes, static_cast<uint64_t>(found.st_mtim.tv_sec), XXH3_64bits_digest(state_.get())});
    return absl::OkStatus();
  }

  void AddEntry(const std::string& path, uint64_t mode, const std::vector<uint64_t>& facts) {
    const std::string_view below = std::string_view(path).substr(root_.size());
    XXH3_64bits_reset(state_.get());
    XXH3_64bits_update(state_.get(), below.data(), below.size());
    XXH3_64bits_update(state_.get(), &mode, sizeof(mode));
    XXH3_64bits_update(state_.get(), facts.data(), facts.size() * sizeof(facts[0]));
    taken_.checksum += XXH3_64bits_digest(state_.get());
  }

  struct FreeState {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };

  const std::string root_;
  std::vector<char> piece_;
  const std::unique_ptr<XXH3_state_t, FreeState> state_{XXH3_createState()};
  Fingerprint taken_;
};

}  // namespace

absl::Status MakeTree(const std::string& path, int files) {
  std::mt19937_64 random(kSeed);
  absl::Status status = MakeDirectory(path);
  std::string directory;
  for (int i = 0; i < files && status.ok(); ++i) {
    if (i % kFilesInDirectory == 0) {
      if (!directory.empty()) status.Update(MakeOld(directory));
      directory = absl::StrFormat("%s/%03d", path, i / kFilesInDirectory);
      status.Update(MakeDirectory(directory));
    }
    if (Interrupted() != 0) return absl::CancelledError("interrupted");
    status.Update(WriteRandom(absl::StrFormat("%s/%05d", directory, i), random() % (kMostBytes + 1),
                              &random));
  }
  if (!directory.empty()) status.Update(MakeOld(directory));
  status.Update(MakeOld(path));
  return status;
}

absl::Status MakeFile(const std::string& path, uint64_t bytes) {
  std::mt19937_64 random(kSeed);
  return WriteRandom(path, bytes, &random);
}

absl::StatusOr<Fingerprint> TakeFingerprint(const std::string& path) {
  FingerprintTaker taker(path);
  absl::Status status = taker.Add(path);
  std::error_code error;
  if (status.ok() && std::filesystem::is_directory(path, error)) {
    std::filesystem::recursive_directory_iterator entry(path, error), end;
    for (; !error && status.ok() && entry != end; entry.increment(error)) {
      status = taker.Add(entry->path());
    }
  }
  if (!status.ok()) return status;
  if (error) return absl::InternalError(absl::StrCat(path, ": ", error.message()));
  return taker.taken();
}

}  // namespace nacre::bench
