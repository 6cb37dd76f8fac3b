#include "client/cli/copy/uploader.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/copy/local_source.h"
#include "client/cli/copy/resume_id.h"
#include "client/cli/remote_path.h"

namespace nacre::cli {
namespace {

// Not blocked by a FIFO that has come in a file's place.
constexpr int kOpenFile = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

// Of a directory that is being made: ours to write in, and nobody else's. A sticky bit where nobody
// else may write is good for nothing, and so it is a mark.
uint32_t MakingMode(uint32_t mode) { return (mode & 0755) | 01700; }

constexpr uint32_t kSetGroupId = 02000;
constexpr size_t kLongestPath = 4095;  // That a node takes.

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

bool IsDirectory(int directory, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
  struct stat found {};
  return ::fstatat(directory, entry.d_name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISDIR(found.st_mode);
}

}  // namespace

// A directory that is being copied; what is being copied within holds on to it, and so it is there
// until the last of that is done.
struct Uploader::Directory {
  UniqueFd fd;
  std::string local;
  Place place;
  Place below;                        // The place of what is in it, but for the name.
  client::FileAttributes attributes;  // That it gets in the end.
  bool gets_attributes = false;
  std::shared_ptr<Directory> parent;
};

Uploader::Place Uploader::Place::Entry(const std::string& entry) const {
  return {.files = files, .path = Join(path, entry), .name = Join(name, entry)};
}

void Uploader::Copy(const std::vector<std::string>& sources, const std::string& target) {
  const auto found = job_.files().Stat(target, /*follow=*/true);
  const bool into = found.ok() && found->type == client::FileType::kDirectory;
  if (!found.ok() && !absl::IsNotFound(found.status())) {
    job_.FailRemote(target, found.status());
  } else if (!into && sources.size() > 1) {
    job_.FailRemote(target, absl::FailedPreconditionError("is no directory to copy into"));
  } else {
    if (sources.size() == 1 && !job_.options().recursive) job_.ExpectOneFile();
    std::set<std::string> taken;
    for (const std::string& source : sources) {
      if (job_.stopped()) break;
      const bool named = !into || IsEntryName(BaseName(source));
      if (named && !taken.insert(BaseName(source)).second) {
        job_.FailLocal(source, absl::AlreadyExistsError(kJustCopied));
        continue;
      }
      CopySource(source, into && named ? Join(target, BaseName(source)) : target, !named);
    }
  }
  job_.Wait();
}

// `is_there`: the target is the directory that a source without a name of its own, e.g. "." or
// "dir/..", is copied to.
void Uploader::CopySource(const std::string& source, const std::string& target, bool is_there) {
  struct stat found {};
  const int follow = job_.options().recursive ? AT_SYMLINK_NOFOLLOW : 0;
  if (::fstatat(AT_FDCWD, source.c_str(), &found, follow) != 0) {
    job_.FailLocal(source, LocalError(errno));
  } else if (!S_ISDIR(found.st_mode)) {
    if (target.ends_with('/')) {
      job_.FailRemote(target, absl::FailedPreconditionError("is no directory to copy into"));
      return;
    }
    const Place place{.files = job_.files(), .path = target, .name = target};
    job_.Submit([=, this] {
      if (S_ISLNK(found.st_mode)) {
        CopyLink(AT_FDCWD, source, found, source, place);
      } else {
        CopyFile(AT_FDCWD, source, source, place);
      }
    });
  } else if (!job_.options().recursive) {
    job_.FailLocal(source, absl::FailedPreconditionError("is a directory; use -r"));
  } else {
    UniqueFd fd(::open(source.c_str(), kOpenDirectory));
    if (!fd.valid()) return job_.FailLocal(source, LocalError(errno));
    const auto directory =
        MakeDirectory(std::move(fd), source,
                      {.files = job_.files(), .path = target, .name = target}, nullptr, is_there);
    if (directory != nullptr) Walk(directory);
  }
}

std::shared_ptr<Uploader::Directory> Uploader::MakeDirectory(UniqueFd fd, const std::string& local,
                                                             const Place& place,
                                                             std::shared_ptr<Directory> parent,
                                                             bool is_there) {
  struct stat opened {};
  if (::fstat(fd.get(), &opened) != 0) {
    job_.FailLocal(local, LocalError(errno));
    return nullptr;
  }
  if (parent != nullptr && IsDestination(opened)) {
    job_.FailLocal(local,
                   absl::FailedPreconditionError("is not copied into itself: it is skipped"));
    return nullptr;
  }
  bool unfinished = false;
  const auto there = is_there ? place.files.Stat(place.path, /*follow=*/true)
                              : MakeRemoteDirectory(place, opened.st_mode, &unfinished);
  if (!there.ok()) {
    job_.FailRemote(place.name, there.status());
    return nullptr;
  }
  Place below = place;
  if (parent == nullptr) {
    destination_ = *there;
    if (IsDestination(opened)) {
      job_.FailLocal(local, absl::FailedPreconditionError("is where it would be copied to"));
      return nullptr;
    }
    below = {.files = job_.FilesBelow(place.path), .path = ".", .name = place.name};
  }
  const CopyOptions& options = job_.options();
  uint32_t mode = options.ModeOf(opened.st_mode);
  // It may have come from the directory above.
  if (!options.preserve) mode |= there->mode & kSetGroupId;
  return {new Directory{.fd = std::move(fd),
                        .local = local,
                        .place = place,
                        .below = std::move(below),
                        .attributes = {.mode = mode,
                                       .special_bits = true,
                                       .modify_time = absl::TimeFromTimespec(opened.st_mtim)},
                        // One that was there already stays as it was.
                        .gets_attributes = unfinished || options.preserve,
                        .parent = std::move(parent)},
          [this](Directory* done) {
            const std::unique_ptr<Directory> owned(done);
            Finish(*owned);
          }};
}

// One that is there already is as good. `unfinished`: whether it was made, now or by a run of ours
// that did not come to an end.
absl::StatusOr<client::FileInfo> Uploader::MakeRemoteDirectory(const Place& place, uint32_t mode,
                                                               bool* unfinished) {
  auto made =
      place.files.MakeDirectory(place.path, {.mode = MakingMode(mode), .special_bits = true});
  *unfinished = made.ok();
  if (!absl::IsAlreadyExists(made.status())) return made;
  // No link is followed within a tree: it may lead out of it.
  auto found = place.files.Stat(place.path);
  if (!found.ok()) return found;
  if (found->type != client::FileType::kDirectory) {
    return absl::FailedPreconditionError("is no directory there, and not replaced by one");
  }
  *unfinished = (found->mode & ~kSetGroupId) == MakingMode(mode) && IsOurs(*found);
  return found;
}

// As far as the owner of our home directory tells who we are there.
bool Uploader::IsOurs(const client::FileInfo& file) {
  if (!std::exchange(asked_for_uid_, true)) {
    if (const auto home = job_.files().Stat("."); home.ok()) our_uid_ = home->uid;
  }
  return our_uid_ == file.uid;
}

// With a node on this machine it may be: then it would be copied into itself without end.
bool Uploader::IsDestination(const struct stat& found) const {
  return job_.may_be_here() && found.st_ino == destination_.inode &&
         found.st_dev == destination_.device && found.st_uid == destination_.uid;
}

void Uploader::Finish(const Directory& directory) {
  if (!directory.gets_attributes || job_.interrupted()) return;
  const Place& place = directory.place;
  const auto result = place.files.SetAttributes(place.path, directory.attributes);
  if (!result.ok()) job_.FailRemote(place.name, result.status());
}

void Uploader::Walk(const std::shared_ptr<Directory>& directory) {
  const int fd = ::fcntl(directory->fd.get(), F_DUPFD_CLOEXEC, 0);
  const std::unique_ptr<DIR, CloseDirectory> entries(fd < 0 ? nullptr : ::fdopendir(fd));
  if (entries == nullptr) return job_.FailLocal(directory->local, LocalError(errno));
  while (!job_.stopped()) {
    errno = 0;
    const dirent* entry = ::readdir(entries.get());
    if (entry == nullptr) {
      if (errno != 0) job_.FailLocal(directory->local, LocalError(errno));
      return;
    }
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (directory->below.Entry(name).path.size() > kLongestPath) {
      job_.FailRemote(Join(directory->below.name, name),
                      absl::InvalidArgumentError("the path is too long"));
      continue;
    }
    if (!IsDirectory(directory->fd.get(), *entry)) {
      job_.Submit([this, directory, name] { CopyEntry(directory, name); });
      continue;
    }
    const std::string local = Join(directory->local, name);
    UniqueFd inner(::openat(directory->fd.get(), name.c_str(), kOpenDirectory | O_NOFOLLOW));
    if (!inner.valid()) {
      job_.FailLocal(local, LocalError(errno));
      continue;
    }
    const auto child =
        MakeDirectory(std::move(inner), local, directory->below.Entry(name), directory, false);
    if (child != nullptr) Walk(child);
  }
}

void Uploader::CopyEntry(const std::shared_ptr<Directory>& directory, const std::string& name) {
  if (job_.stopped()) return;
  const std::string local = Join(directory->local, name);
  const Place place = directory->below.Entry(name);
  struct stat found {};
  if (::fstatat(directory->fd.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
    job_.FailLocal(local, LocalError(errno));
  } else if (S_ISLNK(found.st_mode)) {
    CopyLink(directory->fd.get(), name, found, local, place);
  } else if (S_ISREG(found.st_mode)) {
    CopyFile(directory->fd.get(), name, local, place);
  } else {
    job_.Warn(absl::StrCat(local, ": is a special file: skipped"));
  }
}

void Uploader::CopyLink(int directory, const std::string& name, const struct stat& found,
                        const std::string& local, const Place& place) {
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlinkat(directory, name.c_str(), target.data(), target.size());
  if (size < 0) return job_.FailLocal(local, LocalError(errno));
  auto result = place.files.MakeSymlink(
      place.path, std::string(target.data(), static_cast<size_t>(size)), /*replace=*/true);
  if (result.ok()) {
    result = place.files.SetAttributes(place.path,
                                       {.modify_time = absl::TimeFromTimespec(found.st_mtim)});
  }
  if (!result.ok()) return job_.FailRemote(place.name, result.status());
  job_.progress().AddFile();
}

void Uploader::CopyFile(int directory, const std::string& name, const std::string& local,
                        const Place& place) {
  if (job_.stopped()) return;
  // Only a link that the user names is followed.
  const int follow = directory == AT_FDCWD && !job_.options().recursive ? 0 : O_NOFOLLOW;
  struct stat found {};
  const int no_follow = follow == 0 ? 0 : AT_SYMLINK_NOFOLLOW;
  if (::fstatat(directory, name.c_str(), &found, no_follow) != 0) {
    return job_.FailLocal(local, LocalError(errno));
  }
  // Opening a device may do something to it.
  if (!S_ISREG(found.st_mode)) {
    return job_.Warn(absl::StrCat(local, ": is a special file: skipped"));
  }
  UniqueFd fd(::openat(directory, name.c_str(), kOpenFile | follow));
  if (!fd.valid() || ::fstat(fd.get(), &found) != 0) {
    return job_.FailLocal(local, LocalError(errno));
  }
  if (!S_ISREG(found.st_mode)) {
    return job_.Warn(absl::StrCat(local, ": is a special file: skipped"));
  }
  LocalSource source(
      std::move(fd), found, [this](uint64_t bytes) { job_.progress().AddBytes(bytes); },
      [this](uint64_t bytes) { job_.progress().AddThere(bytes); },
      [this] { return job_.stopped(); });
  if (job_.options().resume && IsThere(place, found, source)) return;
  CopyOpenFile(source, found, local, place);
}

void Uploader::CopyOpenFile(LocalSource& source, const struct stat& opened,
                            const std::string& local, const Place& place) {
  const CopyOptions& options = job_.options();
  const bool large = static_cast<uint64_t>(opened.st_size) >= kResumableBytes;
  client::UploadOptions upload;
  upload.mode = options.ModeOf(opened.st_mode);
  upload.special_bits = options.preserve;
  if (options.KeepsTimes()) upload.modify_time = absl::TimeFromTimespec(opened.st_mtim);
  upload.sync = options.sync ? client::FileSync::kContent : client::FileSync::kNone;
  upload.resume = options.resume;
  if (large) upload.resume_id = UploadId(place.name, opened);
  job_.Expect(static_cast<uint64_t>(opened.st_size));
  const Job::LargeTransfer transfer(job_, large);
  const auto result = place.files.Upload(place.path, upload, source);
  if (!result.ok()) {
    const bool lost = source.failed().ok() && absl::IsUnavailable(result.status());
    if (large && (job_.stopped() || lost)) job_.Kept();
    return source.failed().ok() ? job_.FailRemote(place.name, result.status())
                                : job_.FailLocal(local, source.failed());
  }
  if (source.HasChanged()) job_.Warn(absl::StrCat(local, ": changed while it was copied"));
  if (options.checksum) return ReadBack(place, *result);
  job_.Done(place.name, result->xxh3_128);
}

// With --resume what an earlier run has copied, as far as times tell, is not copied again; nor is
// it with --checksum, if it holds the same.
bool Uploader::IsThere(const Place& place, const struct stat& opened, const LocalSource& source) {
  if (!job_.options().KeepsTimes()) return false;
  const auto found = place.files.Stat(place.path);
  if (!found.ok() || found->type != client::FileType::kRegular ||
      found->size != static_cast<uint64_t>(opened.st_size) ||
      found->modify_time != absl::TimeFromTimespec(opened.st_mtim)) {
    return false;
  }
  std::string checksum;
  if (job_.options().checksum) {
    const auto theirs = ReadChecksum(place);
    const auto ours = source.Checksum();
    if (!theirs.ok() || !ours.ok() || *theirs != *ours) return false;
    checksum = *ours;
  }
  job_.progress().AddThere(found->size);
  job_.Done(place.name, checksum);
  return true;
}

// What the node reads there now.
absl::StatusOr<std::string> Uploader::ReadChecksum(const Place& place) {
  const auto reader = place.files.Read(place.path, {.accept_holes = true});
  if (!reader.ok()) return reader.status();
  for (;;) {
    const auto chunk = (*reader)->Next();
    if (!chunk.ok()) return chunk.status();
    if (job_.stopped()) return absl::CancelledError("interrupted");
    if (chunk->end()) return (*reader)->summary().xxh3_128;
  }
}

// A second proof: what the node reads there now is what was sent.
void Uploader::ReadBack(const Place& place, const client::UploadResult& result) {
  const auto checksum = ReadChecksum(place);
  if (!checksum.ok()) return job_.FailRemote(place.name, checksum.status());
  if (*checksum == result.xxh3_128) return job_.Done(place.name, result.xxh3_128);
  job_.FailRemote(place.name,
                  absl::DataLossError("holds something else than was sent: the checksum differs"));
}

void Uploader::CopyInput(const std::string& target) {
  auto writer = job_.files().Write(
      target, {.sync = job_.options().sync ? client::FileSync::kContent : client::FileSync::kNone});
  if (!writer.ok()) return job_.FailRemote(target, writer.status());
  std::string buffer(64 << 10, '\0');
  for (;;) {
    const ssize_t bytes = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return job_.FailLocal("standard input", LocalError(errno));
    if (bytes == 0 || job_.stopped()) break;
    const absl::Status status = (*writer)->Write({buffer.data(), static_cast<size_t>(bytes)});
    if (!status.ok()) return job_.FailRemote(target, status);
    job_.progress().AddBytes(static_cast<uint64_t>(bytes));
  }
  if (job_.stopped()) return;  // Half a file takes no name.
  const auto file = (*writer)->Finish();
  if (!file.ok()) return job_.FailRemote(target, file.status());
  job_.progress().AddFile();
}

}  // namespace nacre::cli
