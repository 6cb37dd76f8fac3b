#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "files/outcome.h"
#include "nacre/files/v1/files.pb.h"

namespace nacre::files {

// What tells a file from all others at one time.
struct FileId {
  uint64_t device = 0;
  uint64_t inode = 0;

  bool operator==(const FileId&) const = default;
};

inline FileId IdOf(const v1::Entry& entry) { return {entry.device(), entry.inode()}; }

// Describes an open file, O_PATH or not, under `name`. Nothing is opened or mounted for it.
Result<v1::Entry> DescribeFd(int fd, std::string_view name);

// Describes a name in a directory; a symbolic link itself.
Result<v1::Entry> DescribeAt(int directory, const std::string& name);

// Whether a file may be put in this one's place: a regular file, or a link. EISDIR; EINVAL with
// FAILURE_NOT_REGULAR.
Outcome CheckReplaceable(uint32_t mode);

// The same for what has this name now, if anything.
Outcome CheckReplaceableAt(int directory, const std::string& name);

// Of an open file, O_PATH too. `mode`: permission and special bits only.
Outcome SetMode(int fd, mode_t mode);
// Of an open file, O_PATH too, also of a link. FAILURE_REQUEST: no such time.
Outcome SetModified(int fd, const v1::Time& time);

}  // namespace nacre::files
