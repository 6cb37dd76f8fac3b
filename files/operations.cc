#include "files/operations.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "files/directory_page.h"
#include "files/entry.h"
#include "files/make_directory.h"
#include "files/path.h"
#include "files/removal.h"
#include "files/temp_name.h"
#include "files/uploads.h"

namespace nacre::files {
namespace {

constexpr uint32_t kWatched = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE |
                              IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |
                              IN_EXCL_UNLINK;
// Longest target of a link.
constexpr size_t kMaxTarget = 4095;

Outcome Tell(Result<v1::Entry> entry, v1::Reply* reply) {
  if (!entry.ok()) return entry.outcome();
  *reply->mutable_entry() = *std::move(entry);
  return {};
}

Outcome MakeLinkInPlaceOf(const Place& place, const std::string& target) {
  const int directory = place.directory.get();
  if (const Outcome bad = CheckReplaceableAt(directory, place.name); !bad.ok()) return bad;
  const std::string temp = TempName();
  if (symlinkat(target.c_str(), directory, temp.c_str()) != 0) return Errno();
  if (renameat(directory, temp.c_str(), directory, place.name.c_str()) == 0) return {};
  const Outcome failed = Errno();
  unlinkat(directory, temp.c_str(), 0);
  return failed;
}

}  // namespace

Outcome Stat(const v1::Stat& request, v1::Reply* reply) {
  const Result<UniqueFd> file =
      OpenPath(request.path(), O_PATH | (request.follow() ? 0 : O_NOFOLLOW));
  if (!file.ok()) return file.outcome();
  return Tell(DescribeFd(file->get(), LastComponent(request.path().path())), reply);
}

Outcome List(const v1::List& request, v1::Reply* reply) {
  const Result<UniqueFd> directory =
      OpenPath(request.path(), O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_NOCTTY);
  if (!directory.ok()) return directory.outcome();
  std::optional<uint64_t> from;
  if (request.has_from()) from = request.from();
  return ReadPage(directory->get(), from, request.limit(), reply);
}

Outcome OpenRead(const v1::OpenRead& request, v1::Reply* reply, UniqueFd* fd) {
  // To open a pipe or a device is to do something to it: first a look.
  const Result<UniqueFd> seen = OpenPath(request.path(), O_PATH);
  if (!seen.ok()) return seen.outcome();
  const std::string_view name = LastComponent(request.path().path());
  const Result<v1::Entry> before = DescribeFd(seen->get(), name);
  if (!before.ok()) return before.outcome();
  if (S_ISDIR(before->mode())) return Errno(EISDIR);
  if (!S_ISREG(before->mode())) return {EINVAL, v1::FAILURE_NOT_REGULAR};
  if (const Outcome served = CheckServedByKernel(seen->get()); !served.ok()) return served;
  Result<UniqueFd> file = Reopen(seen->get(), O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!file.ok()) return file.outcome();
  Result<v1::Entry> entry = DescribeFd(file->get(), name);
  if (entry.ok() && IdOf(*entry) != IdOf(*before)) return Errno(ESTALE);
  const Outcome told = Tell(std::move(entry), reply);
  if (told.ok()) *fd = *std::move(file);
  return told;
}

Outcome MakeDirectory(const v1::MakeDirectory& request, v1::Reply* reply) {
  const mode_t mode = request.mode() & 07777;
  Result<UniqueFd> made = request.parents() ? MakeDirectories(request.path(), mode)
                                            : MakeOneDirectory(request.path(), mode);
  if (!made.ok()) return made.outcome();
  return Tell(DescribeFd(made->get(), LastComponent(request.path().path())), reply);
}

Outcome MakeSymlink(const v1::MakeSymlink& request, v1::Reply* reply) {
  const std::string& target = request.target();
  if (target.empty() || target.size() > kMaxTarget || target.find('\0') != std::string::npos) {
    return BadRequest();
  }
  const Result<Place> place = LocatePath(request.path());
  if (!place.ok()) return place.outcome();
  if (place->slash) return Errno(EISDIR);
  const int directory = place->directory.get();
  if (symlinkat(target.c_str(), directory, place->name.c_str()) != 0) {
    if (errno != EEXIST || !request.replace()) return Errno();
    if (const Outcome made = MakeLinkInPlaceOf(*place, target); !made.ok()) return made;
  }
  return Tell(DescribeAt(directory, place->name), reply);
}

Outcome Move(const v1::Move& request) {
  const Result<Place> from = LocatePath(request.from());
  if (!from.ok()) return from.outcome();
  const Result<Place> to = LocatePath(request.to());
  if (!to.ok()) return to.outcome();
  const unsigned flags = request.must_not_exist() ? RENAME_NOREPLACE : 0;
  const int moved = renameat2(from->directory.get(), from->kernel_name().c_str(),
                              to->directory.get(), to->kernel_name().c_str(), flags);
  return moved == 0 ? Outcome() : Errno();
}

Outcome RemoveFile(const v1::Remove& request, v1::Reply* reply) {
  const Result<Place> place = LocatePath(request.path());
  if (!place.ok()) return place.outcome();
  const Removal removal = Remove(*place, request.recursive());
  reply->set_removed(removal.removed);
  reply->set_more(removal.more && removal.outcome.ok());
  return removal.outcome;
}

Outcome SetAttributes(const v1::SetAttributes& request, v1::Reply* reply) {
  const Result<UniqueFd> file = OpenPath(request.path(), O_PATH | O_NOFOLLOW);
  if (!file.ok()) return file.outcome();
  const std::string_view name = LastComponent(request.path().path());
  if (request.has_mode()) {
    const Result<v1::Entry> entry = DescribeFd(file->get(), name);
    if (!entry.ok()) return entry.outcome();
    if (S_ISLNK(entry->mode())) return Errno(EOPNOTSUPP);
    if (const Outcome set = SetMode(file->get(), request.mode() & 07777); !set.ok()) return set;
  }
  // Last: a new mode is not a change of the content.
  if (request.has_modified()) {
    if (const Outcome set = SetModified(file->get(), request.modified()); !set.ok()) return set;
  }
  return Tell(DescribeFd(file->get(), name), reply);
}

Outcome Watch(const v1::Watch& request, UniqueFd* fd) {
  const Result<UniqueFd> file = OpenPath(request.path(), O_PATH);
  if (!file.ok()) return file.outcome();
  UniqueFd inotify(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify.valid()) return Errno();
  if (inotify_add_watch(inotify.get(), ProcPath(file->get()).c_str(), kWatched) < 0) {
    // The user's watches are at their bound: no word about the disk.
    return errno == ENOSPC ? Outcome{ENOSPC, v1::FAILURE_TOO_MANY} : Errno();
  }
  *fd = std::move(inotify);
  return {};
}

Outcome FindUpload(const v1::FindUpload& request, v1::Reply* reply) {
  const Result<Place> place = LocatePath(request.path());
  if (!place.ok()) return place.outcome();
  const Result<uint64_t> size = Uploads::Find(*place, request.resume_id());
  if (!size.ok()) return size.outcome();
  reply->set_size(*size);
  return {};
}

}  // namespace nacre::files
