#include "files/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "files/path.h"

namespace nacre::files {
namespace {

void SetTime(const struct statx_timestamp& from, v1::Time* to) {
  to->set_seconds(from.tv_sec);
  to->set_nanos(from.tv_nsec);
}

v1::Entry ToEntry(const struct statx& info, std::string_view name) {
  v1::Entry entry;
  entry.set_name(name.data(), name.size());
  entry.set_mode(info.stx_mode);
  entry.set_size(info.stx_size);
  entry.set_allocated_bytes(info.stx_blocks * 512);  // its unit, whatever the file system's is
  SetTime(info.stx_mtime, entry.mutable_modified());
  SetTime(info.stx_ctime, entry.mutable_changed());
  entry.set_uid(info.stx_uid);
  entry.set_gid(info.stx_gid);
  entry.set_links(info.stx_nlink);
  entry.set_inode(info.stx_ino);
  entry.set_device(makedev(info.stx_dev_major, info.stx_dev_minor));
  return entry;
}

// `at`: a name in `directory`; empty: `directory` itself.
Result<v1::Entry> Describe(int directory, const char* at, std::string_view name) {
  struct statx info {};
  constexpr int kFlags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
  if (statx(directory, at, kFlags, STATX_BASIC_STATS, &info) != 0) return Errno();
  v1::Entry entry = ToEntry(info, name);
  if (S_ISLNK(info.stx_mode)) {
    char target[4096];
    const ssize_t length = readlinkat(directory, at, target, sizeof(target));
    if (length > 0) entry.set_link_target(target, length);
  }
  return entry;
}

}  // namespace

Result<v1::Entry> DescribeFd(int fd, std::string_view name) { return Describe(fd, "", name); }

Result<v1::Entry> DescribeAt(int directory, const std::string& name) {
  return Describe(directory, name.c_str(), name);
}

Outcome CheckReplaceable(uint32_t mode) {
  if (S_ISDIR(mode)) return Errno(EISDIR);
  if (!S_ISREG(mode) && !S_ISLNK(mode)) return {EINVAL, v1::FAILURE_NOT_REGULAR};
  return {};
}

Outcome CheckReplaceableAt(int directory, const std::string& name) {
  const Result<v1::Entry> entry = DescribeAt(directory, name);
  if (entry.ok()) return CheckReplaceable(entry->mode());
  return entry.outcome().error == ENOENT ? Outcome() : entry.outcome();
}

Outcome SetMode(int fd, mode_t mode) {
  // fchmod refuses O_PATH, and fchmodat2 is younger than the kernels we run on.
  return fchmodat(AT_FDCWD, ProcPath(fd).c_str(), mode, 0) == 0 ? Outcome() : Errno();
}

Outcome SetModified(int fd, const v1::Time& time) {
  if (time.nanos() > 999'999'999) return BadRequest();
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                             {.tv_sec = time.seconds(), .tv_nsec = time.nanos()}};
  return utimensat(fd, "", times, AT_EMPTY_PATH) == 0 ? Outcome() : Errno();
}

}  // namespace nacre::files
