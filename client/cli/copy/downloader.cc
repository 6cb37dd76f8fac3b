#include "client/cli/copy/downloader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/copy/resume_id.h"
#include "client/cli/descriptors.h"
#include "client/cli/remote_path.h"

namespace nacre::cli {
namespace {

constexpr size_t kLongestPath = 4095;
// A node that lists this many pages without an entry in a row does it on purpose.
constexpr int kMostEmptyPages = 1000;

// Whether what has come of a file can't be gone on with.
bool IsUseless(const absl::Status& status) {
  const std::string reason = client::ErrorReason(status);
  return reason == "FILE_CHANGED" || absl::IsOutOfRange(status) ||
         (absl::IsDataLoss(status) && reason != "READ_FAILED");
}

}  // namespace

// A directory that is being filled; what is being copied into it holds on to it, and so it is open
// until the last of that is done.
struct Downloader::Directory {
  LocalDirectory directory;
  std::string path;   // For messages.
  uint32_t mode = 0;  // That it gets in the end, as its time.
  absl::Time modify_time;
  bool gets_attributes = false;
  std::shared_ptr<const Directory> parent;
};

void Downloader::Copy(const std::vector<std::string>& sources, const std::string& target) {
  struct stat found {};
  const bool into = ::stat(target.c_str(), &found) == 0 && S_ISDIR(found.st_mode);
  std::string path = target;
  if (into || sources.size() > 1 || !CopyThrough(sources.front(), &path)) {
    CopyAll(sources, path, into);
  }
  job_.Wait();
}

void Downloader::CopyAll(const std::vector<std::string>& sources, std::string path, bool into) {
  const std::string target = path;
  std::string name;
  if (!into) {
    while (job_.options().recursive && path.size() > 1 && path.ends_with('/')) path.pop_back();
    name = path.ends_with('/') ? "" : BaseName(path);
    path.erase(path.size() - name.size());
    if (path.empty()) path.push_back('.');
  }
  auto directory = LocalDirectory::Open(path);
  if (!into && (sources.size() > 1 || name.empty())) {
    return job_.FailLocal(target, absl::FailedPreconditionError("is no directory to copy into"));
  }
  if (!directory.ok()) return job_.FailLocal(path, directory.status());
  const auto parent = std::make_shared<const Directory>(
      Directory{.directory = *std::move(directory), .path = path == "." ? "" : path});
  if (sources.size() == 1 && !job_.options().recursive) job_.ExpectOneFile();
  std::set<std::string> taken;
  for (const std::string& source : sources) {
    if (job_.stopped()) break;
    const std::string entry = into ? BaseName(source) : name;
    if (IsEntryName(entry) && !taken.insert(entry).second) {
      job_.FailRemote(source, absl::AlreadyExistsError(kJustCopied));
    } else {
      CopySource(source, parent, entry);
    }
  }
}

// The one target that the user names may be a link, which is followed, or something that is written
// to as it is. Returns whether all is done by that.
bool Downloader::CopyThrough(const std::string& source, std::string* target) {
  struct stat link {};
  if (::lstat(target->c_str(), &link) != 0 || S_ISDIR(link.st_mode)) return false;
  if (job_.options().recursive) {
    const auto found = job_.files().Stat(source);
    if (!found.ok() || found->type != client::FileType::kRegular) return false;
  }
  struct stat found {};
  if (::stat(target->c_str(), &found) != 0) {
    job_.FailLocal(*target, absl::FailedPreconditionError("is a symbolic link that leads nowhere"));
    return true;
  }
  struct stat output {};
  const bool is_output = (target->starts_with("/dev/") || target->starts_with("/proc/")) &&
                         ::fstat(STDOUT_FILENO, &output) == 0 && output.st_ino == found.st_ino &&
                         output.st_dev == found.st_dev;
  if (is_output || S_ISFIFO(found.st_mode) || S_ISCHR(found.st_mode) || S_ISSOCK(found.st_mode)) {
    const UniqueFd fd(is_output ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
                                : ::open(target->c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC));
    if (!fd.valid()) {
      job_.FailLocal(*target, LocalError(errno));
    } else {
      CopyStream(source, fd.get(), *target);
    }
    return true;
  }
  if (!S_ISLNK(link.st_mode)) return false;
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(target->c_str(), nullptr), ::free);
  if (real == nullptr) {
    job_.FailLocal(*target, LocalError(errno));
    return true;
  }
  *target = real.get();
  return false;
}

void Downloader::CopySource(const std::string& source, const DirectoryPtr& directory,
                            const std::string& name) {
  const auto found = job_.files().Stat(source, /*follow=*/!job_.options().recursive);
  if (!found.ok()) return job_.FailRemote(source, found.status());
  if (found->type != client::FileType::kDirectory) {
    CopyEntry(*found, source, directory, name);
  } else if (!job_.options().recursive) {
    job_.FailRemote(source, absl::FailedPreconditionError("is a directory; use -r"));
  } else if (IsEntryName(name)) {
    const auto inner = Enter(*found, directory, name);
    if (inner != nullptr) WalkSource(*found, source, inner);
  } else {
    WalkSource(*found, source,
               directory);  // Without a name of its own, e.g. ":" or ":dir/.": what is in it.
  }
}

void Downloader::WalkSource(const client::FileInfo& found, const std::string& source,
                            const DirectoryPtr& directory) {
  (void)directory->directory.Describe(&destination_);
  if (IsDestination(found)) {
    job_.FailRemote(source, absl::FailedPreconditionError("is where it would be copied to"));
  } else {
    Walk(source, directory);
  }
}

// Of a node on this machine it may be: then it would be copied into itself without end.
bool Downloader::IsDestination(const client::FileInfo& entry) const {
  return job_.may_be_here() && entry.inode == destination_.st_ino &&
         entry.device == destination_.st_dev && entry.uid == destination_.st_uid;
}

void Downloader::CopyEntry(const client::FileInfo& entry, const std::string& remote,
                           const DirectoryPtr& directory, const std::string& name) {
  switch (entry.type) {
    case client::FileType::kDirectory:
      if (IsDestination(entry)) {
        return job_.FailRemote(
            remote, absl::FailedPreconditionError("is not copied into itself: it is skipped"));
      }
      if (const auto inner = Enter(entry, directory, name); inner != nullptr) Walk(remote, inner);
      return;
    case client::FileType::kRegular:
      if (job_.options().resume && job_.options().KeepsTimes() &&
          directory->directory.Has(name, entry.size, entry.modify_time)) {
        if (job_.options().checksum) {
          return job_.Submit([this, remote, directory, name, size = entry.size] {
            if (!IsThere(remote, directory, name)) return CopyFile(remote, directory, name);
            job_.progress().AddThere(size);
          });
        }
        job_.progress().AddThere(entry.size);
        return job_.progress().AddFile();
      }
      return job_.Submit([this, remote, directory, name] { CopyFile(remote, directory, name); });
    case client::FileType::kSymlink:
      return CopyLink(entry, directory, name);
    default:
      return job_.Warn(absl::StrCat(":", remote, ": is a special file: skipped"));
  }
}

Downloader::DirectoryPtr Downloader::Enter(const client::FileInfo& entry,
                                           const DirectoryPtr& parent, const std::string& name) {
  const std::string path = Join(parent->path, name);
  bool unfinished = false;
  auto opened = parent->directory.Enter(name, &unfinished);
  if (!opened.ok()) {
    job_.FailLocal(path, opened.status());
    return nullptr;
  }
  // One that was there already stays as it was.
  const CopyOptions& options = job_.options();
  auto* directory = new Directory{.directory = *std::move(opened),
                                  .path = path,
                                  .mode = options.ModeOf(entry.mode),
                                  .modify_time = entry.modify_time,
                                  .gets_attributes = unfinished || options.preserve,
                                  .parent = parent};
  return {directory, [this](Directory* done) {
            const std::unique_ptr<Directory> owned(done);
            Finish(*owned);
          }};
}

void Downloader::Finish(const Directory& directory) {
  if (!directory.gets_attributes || job_.interrupted()) return;
  const absl::Status status = directory.directory.SetAttributes(
      directory.mode, directory.modify_time, job_.options().preserve);
  if (!status.ok()) job_.FailLocal(directory.path, status);
}

void Downloader::Walk(const std::string& remote, const DirectoryPtr& directory) {
  std::string token;
  int empty_pages = 0;
  do {
    if (job_.stopped()) return;
    const auto page = job_.files().List(remote, token);
    if (!page.ok()) return job_.FailRemote(remote, page.status());
    empty_pages = page->entries.empty() ? empty_pages + 1 : 0;
    if (empty_pages > kMostEmptyPages) {
      return job_.FailRemote(remote, absl::DataLossError("the node lists nothing without end"));
    }
    for (const client::FileInfo& entry : page->entries) {
      if (job_.stopped()) return;
      const std::string path = Join(remote, entry.name);
      if (!IsEntryName(entry.name)) {
        job_.FailRemote(path, absl::InvalidArgumentError("no file can have this name"));
      } else if (path.size() > kLongestPath) {  // Bounds how deep a tree can be, too.
        job_.FailRemote(path, absl::InvalidArgumentError("the path is too long"));
      } else if (entry.type != client::FileType::kOther) {
        CopyEntry(entry, path, directory, entry.name);
      } else if (const auto found = job_.files().Stat(path); found.ok()) {
        CopyEntry(*found, path, directory, entry.name);
      } else if (!absl::IsNotFound(found.status())) {  // Else it went away meanwhile.
        job_.FailRemote(path, found.status());
      }
    }
    token = page->next_page_token;
  } while (!token.empty());
}

void Downloader::CopyLink(const client::FileInfo& entry, const DirectoryPtr& directory,
                          const std::string& name) {
  const absl::Status status =
      directory->directory.MakeSymlink(name, entry.link_target, entry.modify_time);
  if (!status.ok()) return job_.FailLocal(Join(directory->path, name), status);
  job_.progress().AddFile();
}

void Downloader::CopyFile(const std::string& remote, const DirectoryPtr& directory,
                          const std::string& name) {
  if (job_.stopped()) return;
  const std::string local = Join(directory->path, name);
  auto opened = job_.files().Read(remote, {.accept_holes = true});
  if (!opened.ok()) return job_.FailRemote(remote, opened.status());
  std::unique_ptr<client::FileReader> reader = *std::move(opened);
  job_.Expect(reader->head().size);
  const bool large = reader->head().size >= kResumableBytes;
  auto file = OpenFile(remote, *directory, name, &reader);
  if (!file.ok()) return job_.FailLocal(local, file.status());
  if (reader == nullptr) return;  // It was told why.
  const bool whole = file->size() == 0;
  const Job::LargeTransfer transfer(job_, large);
  absl::Status failed_here;
  const absl::Status status = Receive(*reader, *file, &failed_here);
  if (status.ok()) return Complete(remote, *directory, name, *reader, *file, whole);
  if (failed_here.ok() && IsUseless(status)) file->Drop();
  if (file->kept()) job_.Kept();
  return failed_here.ok() ? job_.FailRemote(remote, status) : job_.FailLocal(local, failed_here);
}

// The file to write to; a large one is gone on with, and `reader` read from there.
absl::StatusOr<LocalFile> Downloader::OpenFile(const std::string& remote,
                                               const Directory& directory, const std::string& name,
                                               std::unique_ptr<client::FileReader>* reader) {
  const client::FileInfo head = (*reader)->head();
  if (head.size < kResumableBytes) return directory.directory.Create(name);
  const std::string id = DownloadId(remote, head);
  auto file = directory.directory.OpenPartial(name, id, job_.options().resume);
  if (!file.ok() || file->size() == 0) return file;
  if (file->size() > head.size) {  // Not what we have left there.
    file->Drop();
    file = absl::InternalError("");  // Gone, and its lock with it.
    return directory.directory.OpenPartial(name, id, /*resume=*/false);
  }
  job_.progress().AddThere(file->size());
  auto rest = job_.files().Read(
      remote, {.offset = file->size(), .expected_version = head.version, .accept_holes = true});
  if (rest.ok()) {
    *reader = *std::move(rest);
    return file;
  }
  reader->reset();
  if (IsUseless(rest.status())) file->Drop();
  if (file->kept()) job_.Kept();
  job_.FailRemote(remote, rest.status());
  return file;
}

absl::Status Downloader::Receive(client::FileReader& reader, LocalFile& file,
                                 absl::Status* failed_here) {
  for (;;) {
    if (job_.stopped()) return absl::CancelledError("interrupted");
    const auto chunk = reader.Next();
    if (!chunk.ok()) return chunk.status();
    if (chunk->end()) return absl::OkStatus();
    *failed_here = chunk->hole > 0 ? file.Hole(chunk->hole) : file.Write(chunk->data);
    if (!failed_here->ok()) return *failed_here;
    job_.progress().AddBytes(chunk->data.size() + chunk->hole);
  }
}

void Downloader::Complete(const std::string& remote, const Directory& directory,
                          const std::string& name, client::FileReader& reader, LocalFile& file,
                          bool whole) {
  const std::string local = Join(directory.path, name);
  const CopyOptions& options = job_.options();
  std::string checksum = reader.summary().xxh3_128;
  if (options.checksum) {
    const absl::Status status = Compare(remote, reader, file, whole, &checksum);
    if (absl::IsDataLoss(status) || IsUseless(status)) file.Drop();
    if (!status.ok()) {
      if (file.kept()) job_.Kept();
      return job_.FailRemote(remote, status);
    }
  }
  const auto& head = reader.head();
  const absl::Status status =
      file.Commit(options.ModeHere(head.mode),
                  options.KeepsTimes() ? std::optional(head.modify_time) : std::nullopt);
  if (!status.ok()) return job_.FailLocal(local, status);
  if (reader.summary().changed) {
    job_.Warn(absl::StrCat(":", remote, ": changed while it was copied"));
  }
  job_.Done(local, checksum);
}

// What the node reads there now.
absl::StatusOr<std::string> Downloader::ReadChecksum(const std::string& remote,
                                                     const std::string& version) {
  const auto reader =
      job_.files().Read(remote, {.expected_version = version, .accept_holes = true});
  if (!reader.ok()) return reader.status();
  for (;;) {
    const auto chunk = (*reader)->Next();
    if (!chunk.ok()) return chunk.status();
    if (job_.stopped()) return absl::CancelledError("interrupted");
    if (chunk->end()) return (*reader)->summary().xxh3_128;
  }
}

// Whether a file that looks as if an earlier run had copied it holds what the node's does.
bool Downloader::IsThere(const std::string& remote, const DirectoryPtr& directory,
                         const std::string& name) {
  if (job_.stopped()) return true;
  const auto theirs = ReadChecksum(remote, "");
  const auto ours = directory->directory.Checksum(name);
  if (!theirs.ok() || !ours.ok() || *theirs != *ours) return false;
  job_.Done(Join(directory->path, name), *ours);
  return true;
}

// A second proof: what our file holds is what the node reads, of one that was gone on with all of
// it again.
absl::Status Downloader::Compare(const std::string& remote, const client::FileReader& reader,
                                 const LocalFile& file, bool whole, std::string* checksum) {
  if (!whole) {
    auto again = ReadChecksum(remote, reader.head().version);
    if (!again.ok()) return again.status();
    *checksum = *std::move(again);
  }
  const auto ours = file.Checksum();
  if (!ours.ok()) return ours.status();
  return *ours == *checksum ? absl::OkStatus()
                            : absl::DataLossError("is not what came here: the checksum differs");
}

void Downloader::CopyOutput(const std::string& source) {
  CopyStream(source, STDOUT_FILENO, "standard output");
}

void Downloader::CopyStream(const std::string& source, int fd, const std::string& name) {
  if (job_.options().checksum) {
    return job_.FailLocal(name, absl::InvalidArgumentError("can't be read again for --checksum"));
  }
  const auto reader = job_.files().Read(source);
  if (!reader.ok()) return job_.FailRemote(source, reader.status());
  while (!job_.stopped()) {
    const auto chunk = (*reader)->Next();
    if (!chunk.ok()) return job_.FailRemote(source, chunk.status());
    if (chunk->end()) {
      if ((*reader)->summary().changed) {
        job_.Warn(absl::StrCat(":", source, ": changed while it was copied"));
      }
      return job_.progress().AddFile();
    }
    if (const int error = WriteAll(fd, chunk->data); error != 0) {
      return job_.FailLocal(name, LocalError(error));
    }
    job_.progress().AddBytes(chunk->data.size());
  }
}

}  // namespace nacre::cli
