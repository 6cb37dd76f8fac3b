#pragma once

#include <sys/types.h>

#include "base/unique_fd.h"
#include "files/outcome.h"
#include "nacre/files/v1/files.pb.h"

// Directories that are to be, with the mode that was asked for: a set-group-ID bit that the
// directory above hands down stays. Both return the directory, O_PATH.
namespace nacre::files {

// EEXIST: the name is taken.
Result<UniqueFd> MakeOneDirectory(const v1::Path& path, mode_t mode);

// Makes those above it too, with mode 755. One that is there is left as it is; EEXIST: something
// that is no directory.
Result<UniqueFd> MakeDirectories(const v1::Path& path, mode_t mode);

}  // namespace nacre::files
