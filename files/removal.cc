#include "files/removal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "files/directory_reader.h"
#include "files/temp_name.h"

namespace nacre::files {
namespace {

constexpr size_t kBuffer = 8 * 1024;
// How often a directory is read again that has entries still, before somebody else who fills it
// wins.
constexpr int kRescans = 3;

bool NotEmpty(int error) { return error == ENOTEMPTY || error == EEXIST; }

bool IsDirectory(int directory, const std::string& name) {
  struct stat info;
  return fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
}

// Removes a name that is no directory. Tells whether it is one.
Outcome Unlink(int directory, const std::string& name, bool* is_directory) {
  *is_directory = false;
  if (unlinkat(directory, name.c_str(), 0) == 0) return {};
  const int error = errno;
  // POSIX says EPERM.
  *is_directory = error == EISDIR || (error == EPERM && IsDirectory(directory, name));
  return Errno(error);
}

// One removal of a tree: goes down into the first directory it finds, and up when that is empty.
//
// A tree may be deeper than there are descriptors. What lies deeper than the bound is moved up to
// the top of the tree, in one step, and is then a tree of its own that is not deep.
class TreeRemover {
 public:
  TreeRemover(const Place& place, const RemovalLimits& limits)
      : place_(place), limits_(limits), deadline_ns_(MonotonicNs() + limits.time_ns) {}

  Removal Run() {
    result_.outcome = Enter(place_.directory.get(), place_.name);
    while (result_.outcome.ok() && !levels_.empty() && !result_.more) {
      result_.outcome = Step();
    }
    if (levels_.empty()) result_.more = false;
    return result_;
  }

 private:
  struct Level {
    Level(UniqueFd directory, std::string its_name)
        : fd(std::move(directory)), name(std::move(its_name)), reader(fd.get(), kBuffer) {}
    UniqueFd fd;
    std::string name;
    DirectoryReader reader;
    int rescans = 0;
  };

  // After each removal, so that each call comes further.
  void Count() {
    ++result_.removed;
    Pause();
  }
  void Pause() {
    if (result_.removed >= limits_.files || MonotonicNs() >= deadline_ns_) result_.more = true;
  }

  Outcome Step() {
    Level& level = levels_.back();
    const Result<DirectoryReader::Item> item = level.reader.Next();
    // Somebody else may have removed it under us.
    const bool gone = item.outcome().error == ENOENT;
    if (!item.ok() && !gone) return item.outcome();
    if (gone || item->name == nullptr) return Leave();
    const std::string name = item->name;
    if (item->type == DT_DIR) return EnterOrMove(level.fd.get(), name);
    bool is_directory;
    const Outcome unlinked = Unlink(level.fd.get(), name, &is_directory);
    if (is_directory) return EnterOrMove(level.fd.get(), name);
    if (unlinked.ok()) Count();
    return unlinked.error == ENOENT ? Outcome() : unlinked;
  }

  Outcome EnterOrMove(int parent, const std::string& name) {
    return levels_.size() < limits_.depth ? Enter(parent, name) : MoveUp(parent, name);
  }

  Outcome Enter(int parent, const std::string& name) {
    UniqueFd fd(openat(parent, name.c_str(),
                       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!fd.valid()) return RemoveUnopened(parent, name, Errno());
    levels_.emplace_back(std::move(fd), name);
    return {};
  }

  // It is gone, is no directory any more, or may not be read: an empty one can go nevertheless.
  Outcome RemoveUnopened(int parent, const std::string& name, Outcome why) {
    if (why.error == ENOENT && !levels_.empty()) return {};
    const bool not_directory = why.error == ENOTDIR || why.error == ELOOP;
    // Of the tree itself that is an answer: whoever asked saw a directory.
    if (not_directory && levels_.empty()) return why;
    if (unlinkat(parent, name.c_str(), not_directory ? 0 : AT_REMOVEDIR) != 0) {
      return errno == ENOENT && !levels_.empty() ? Outcome() : why;
    }
    Count();
    return {};
  }

  Outcome MoveUp(int parent, const std::string& name) {
    if (unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0) {
      Count();
      return {};
    }
    if (errno == ENOENT) return {};
    if (!NotEmpty(errno)) return Errno();
    const int top = levels_.front().fd.get();
    if (renameat(parent, name.c_str(), top, TempName().c_str()) != 0) {
      return errno == ENOENT ? Outcome() : Errno(errno == EXDEV ? ELOOP : errno);
    }
    // The top has been read in part, so it may have to be read again to show this.
    levels_.front().rescans = 0;
    Pause();
    return {};
  }

  // The directory has been read to its end.
  Outcome Leave() {
    Level& level = levels_.back();
    const size_t above = levels_.size() - 1;
    const int parent = above == 0 ? place_.directory.get() : levels_[above - 1].fd.get();
    if (unlinkat(parent, level.name.c_str(), AT_REMOVEDIR) != 0) {
      if (NotEmpty(errno) && level.rescans++ < kRescans) {
        level.reader.Rewind();
        return {};
      }
      if (errno != ENOENT) return Errno();
      levels_.pop_back();
      return {};
    }
    levels_.pop_back();
    Count();
    return {};
  }

  const Place& place_;
  const RemovalLimits limits_;
  const int64_t deadline_ns_;
  std::vector<Level> levels_;
  Removal result_;
};

}  // namespace

Removal Remove(const Place& place, bool recursive, const RemovalLimits& limits) {
  const int directory = place.directory.get();
  bool is_directory;
  const Outcome unlinked = Unlink(directory, place.kernel_name(), &is_directory);
  if (unlinked.ok()) return {.removed = 1};
  if (!is_directory) return {.outcome = unlinked};
  if (unlinkat(directory, place.name.c_str(), AT_REMOVEDIR) == 0) return {.removed = 1};
  if (!recursive || !NotEmpty(errno)) return {.outcome = Errno()};
  return TreeRemover(place, limits).Run();
}

}  // namespace nacre::files
