#include "files/uploads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "files/copy.h"
#include "files/temp_name.h"

namespace nacre::files {
namespace {

constexpr mode_t kTempMode = 0600;
constexpr int kOpenFlags = O_RDWR | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC;
// Each time somebody else was quicker.
constexpr int kTries = 16;

Outcome UploadFailed(int error) { return {error, v1::FAILURE_UPLOAD}; }

bool Lock(int fd) { return flock(fd, LOCK_EX | LOCK_NB) == 0; }

// What a resumed upload must be. Others may write in the directory too.
Outcome CheckOurs(const v1::Entry& temp) {
  const bool ours = S_ISREG(temp.mode()) && temp.uid() == geteuid() && temp.links() == 1;
  return ours ? Outcome() : UploadFailed(EPERM);
}

bool IsNamed(int directory, const std::string& name, const FileId& id) {
  const Result<v1::Entry> entry = DescribeAt(directory, name);
  return entry.ok() && IdOf(*entry) == id;
}

Outcome MakeTemp(int directory, const std::string& name, UniqueFd* fd) {
  fd->reset(openat(directory, name.c_str(), kOpenFlags | O_CREAT | O_EXCL, kTempMode));
  return fd->valid() ? Outcome() : Errno();
}

Outcome RenameNoReplace(int directory, const std::string& from, const std::string& to) {
  if (renameat2(directory, from.c_str(), directory, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno != EINVAL) return Errno();
  // The file system does not know how; a link replaces nothing either.
  if (linkat(directory, from.c_str(), directory, to.c_str(), 0) != 0) return Errno();
  unlinkat(directory, from.c_str(), 0);
  return {};
}

}  // namespace

Uploads::~Uploads() {
  for (auto& [number, upload] : uploads_) Drop(upload, /*keep=*/true);
}

Outcome Uploads::Open(Place place, const v1::OpenWrite& request, OpenedUpload* opened) {
  const bool resumable = !request.resume_id().empty();
  if (resumable ? !IsResumeId(request.resume_id()) : request.offset() != 0) return BadRequest();
  if (uploads_.size() >= kMaxUploads) return {EMFILE, v1::FAILURE_TOO_MANY};
  const Outcome served = CheckServedByKernel(place.directory.get());
  if (!served.ok()) return served;
  Upload upload{.place = std::move(place),
                .resumable = resumable,
                .must_not_exist = request.must_not_exist()};
  if (resumable) upload.temp = ResumeName(request.resume_id(), upload.place.name);
  const Outcome outcome =
      resumable ? OpenResumable(request.offset(), &upload, &opened->size) : OpenNew(&upload);
  if (!outcome.ok()) {
    if (!resumable && upload.fd.valid()) Drop(upload, /*keep=*/false);
    return outcome;
  }
  opened->fd.reset(fcntl(upload.fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!opened->fd.valid()) {
    const Outcome failed = Errno();
    Drop(upload, /*keep=*/true);
    return failed;
  }
  opened->number = next_++;
  uploads_.emplace(opened->number, std::move(upload));
  return {};
}

Outcome Uploads::OpenNew(Upload* upload) {
  const int directory = upload->place.directory.get();
  if (unnamed_) {
    upload->fd.reset(openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, kTempMode));
    // What kernels and file systems say that don't know it.
    const bool unknown =
        errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL;
    if (!upload->fd.valid() && !unknown) return Errno();
  }
  if (!upload->fd.valid()) {
    upload->temp = TempName();
    if (const Outcome made = MakeTemp(directory, upload->temp, &upload->fd); !made.ok()) {
      return made;
    }
  }
  const Result<v1::Entry> entry = DescribeFd(upload->fd.get(), "");
  if (!entry.ok()) return entry.outcome();
  upload->id = IdOf(*entry);
  return {};
}

Outcome Uploads::OpenResumable(uint64_t offset, Upload* upload, uint64_t* size) {
  for (int tries = 0; tries < kTries; ++tries) {
    bool again = false;
    const Outcome outcome = TryResumable(offset, upload, size, &again);
    if (!again) return outcome;
  }
  return UploadFailed(EBUSY);
}

// `again`: what was found at the name is not there any more.
Outcome Uploads::TryResumable(uint64_t offset, Upload* upload, uint64_t* size, bool* again) {
  const int directory = upload->place.directory.get();
  *size = 0;
  // What a stranger may have put there is not opened before it is known to be a file of ours.
  const UniqueFd found(openat(directory, upload->temp.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!found.valid()) {
    if (errno != ENOENT) return Errno();
    return offset > 0 ? UploadFailed(ERANGE) : Begin(upload, again);
  }
  const Result<v1::Entry> entry = DescribeFd(found.get(), upload->temp);
  if (!entry.ok()) return entry.outcome();
  if (entry->links() == 0) {
    *again = true;
    return {};
  }
  if (const Outcome bad = CheckOurs(*entry); !bad.ok()) return bad;
  *size = entry->size();
  if (offset > *size) return UploadFailed(ERANGE);
  Result<UniqueFd> fd = Reopen(found.get(), O_RDWR | O_NONBLOCK | O_NOCTTY);
  if (!fd.ok()) return fd.outcome();
  upload->id = IdOf(*entry);
  Forget(upload->id);
  if (!Lock(fd->get())) return TakeOver(fd->get(), offset, upload);
  // Before we had the lock it may have been finished, and be the target now.
  if (!IsNamed(directory, upload->temp, upload->id)) {
    *again = true;
    return {};
  }
  if (fchmod(fd->get(), kTempMode) != 0 || ftruncate(fd->get(), static_cast<off_t>(offset)) != 0) {
    return Errno();
  }
  upload->fd = *std::move(fd);
  return {};
}

Outcome Uploads::Begin(Upload* upload, bool* again) {
  const int directory = upload->place.directory.get();
  const Outcome made = MakeTemp(directory, upload->temp, &upload->fd);
  if (!made.ok()) {
    *again = made.error == EEXIST;
    return made;
  }
  const Result<v1::Entry> entry = DescribeFd(upload->fd.get(), upload->temp);
  if (!entry.ok()) return entry.outcome();
  upload->id = IdOf(*entry);
  // It was to be seen before it was locked.
  *again = !Lock(upload->fd.get()) || !IsNamed(directory, upload->temp, upload->id);
  return {};
}

// Puts a file with the beginning of `from`, which somebody else may write to still, in its place.
Outcome Uploads::TakeOver(int from, uint64_t offset, Upload* upload) {
  const int directory = upload->place.directory.get();
  const std::string temp = TempName();
  UniqueFd fd;
  if (const Outcome made = MakeTemp(directory, temp, &fd); !made.ok()) return made;
  Outcome outcome = CopyBeginning(from, fd.get(), offset);
  const Result<v1::Entry> entry = DescribeFd(fd.get(), temp);
  if (outcome.ok()) outcome = entry.outcome();
  // Before it has a name that others know. Where there are no locks, all are taken for locked.
  Lock(fd.get());
  if (outcome.ok() && renameat(directory, temp.c_str(), directory, upload->temp.c_str()) != 0) {
    outcome = Errno();
  }
  if (!outcome.ok()) {
    unlinkat(directory, temp.c_str(), 0);
    return outcome;
  }
  upload->id = IdOf(*entry);
  upload->fd = std::move(fd);
  return {};
}

// Another has it now; its file stays for that one.
void Uploads::Forget(const FileId& id) {
  std::erase_if(uploads_, [&](const auto& item) { return item.second.id == id; });
}

Result<uint64_t> Uploads::Find(const Place& place, const std::string& resume_id) {
  if (!IsResumeId(resume_id)) return BadRequest();
  const Result<v1::Entry> temp =
      DescribeAt(place.directory.get(), ResumeName(resume_id, place.name));
  if (!temp.ok()) {
    return temp.outcome().error == ENOENT ? UploadFailed(ENOENT) : temp.outcome();
  }
  if (const Outcome bad = CheckOurs(*temp); !bad.ok()) return bad;
  return temp->size();
}

Result<v1::Entry> Uploads::Commit(const v1::Commit& request) {
  const auto found = uploads_.find(request.upload());
  if (found == uploads_.end()) return UploadFailed(ENOENT);
  Upload& upload = found->second;
  const int fd = upload.fd.get();
  if (fchmod(fd, request.mode() & 07777) != 0) return Errno();
  if (request.has_modified()) {
    if (const Outcome set = SetModified(fd, request.modified()); !set.ok()) return set;
  }
  if (const Outcome named = GiveName(upload); !named.ok()) {
    // Nobody runs what has no name yet, with a set-user-ID bit perhaps.
    fchmod(fd, kTempMode);
    if (named.failure == v1::FAILURE_UPLOAD) uploads_.erase(found);
    return named;
  }
  Result<v1::Entry> entry = DescribeFd(fd, upload.place.name);
  uploads_.erase(found);
  return entry;
}

Outcome Uploads::GiveName(Upload& upload) {
  const int directory = upload.place.directory.get();
  const std::string& target = upload.place.name;
  if (!upload.must_not_exist) {
    if (const Outcome bad = CheckReplaceableAt(directory, target); !bad.ok()) return bad;
  }
  if (upload.temp.empty()) {
    const std::string name = upload.must_not_exist ? target : TempName();
    if (linkat(AT_FDCWD, ProcPath(upload.fd.get()).c_str(), directory, name.c_str(),
               AT_SYMLINK_FOLLOW) != 0) {
      return Errno();
    }
    if (upload.must_not_exist) return {};
    // It can't be linked a second time: from now on it has this name.
    upload.temp = name;
  }
  if (!upload.resumable) return RenameToTarget(upload, upload.temp);
  std::string claimed;
  if (const Outcome outcome = Claim(upload, &claimed); !outcome.ok()) return outcome;
  const Outcome renamed = RenameToTarget(upload, claimed);
  if (!renamed.ok() && !RenameNoReplace(directory, claimed, upload.temp).ok()) {
    // Another upload has begun under that name meanwhile.
    unlinkat(directory, claimed.c_str(), 0);
    return UploadFailed(ESTALE);
  }
  return renamed;
}

Outcome Uploads::RenameToTarget(const Upload& upload, const std::string& from) {
  const int directory = upload.place.directory.get();
  const std::string& target = upload.place.name;
  if (upload.must_not_exist) return RenameNoReplace(directory, from, target);
  return renameat(directory, from.c_str(), directory, target.c_str()) == 0 ? Outcome() : Errno();
}

// Takes the file from the name that another may take too, to one that nobody knows. Only then it is
// sure whose it is: between a look and a rename it could have changed.
Outcome Uploads::Claim(Upload& upload, std::string* claimed) {
  const int directory = upload.place.directory.get();
  if (!IsNamed(directory, upload.temp, upload.id)) return UploadFailed(ESTALE);
  *claimed = TempName();
  if (renameat(directory, upload.temp.c_str(), directory, claimed->c_str()) != 0) {
    return errno == ENOENT ? UploadFailed(ESTALE) : Errno();
  }
  if (IsNamed(directory, *claimed, upload.id)) return {};
  // Its owner, or whoever was quicker still, goes on.
  if (!RenameNoReplace(directory, *claimed, upload.temp).ok()) {
    unlinkat(directory, claimed->c_str(), 0);
  }
  return UploadFailed(ESTALE);
}

void Uploads::Discard(uint64_t number, bool keep) {
  const auto found = uploads_.find(number);
  if (found == uploads_.end()) return;
  Drop(found->second, keep);
  uploads_.erase(found);
}

void Uploads::Drop(Upload& upload, bool keep) {
  if (upload.temp.empty() || (keep && upload.resumable)) return;
  std::string name = upload.temp;
  if (upload.resumable && !Claim(upload, &name).ok()) return;
  unlinkat(upload.place.directory.get(), name.c_str(), 0);
}

}  // namespace nacre::files
