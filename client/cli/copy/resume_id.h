// Names of copies that can be gone on with.
#ifndef NACRE_CLIENT_CLI_COPY_RESUME_ID_H_
#define NACRE_CLIENT_CLI_COPY_RESUME_ID_H_

#include <sys/stat.h>

#include <string>
#include <string_view>

#include "nacre/files.h"

namespace nacre::cli {

// The same for the same version of a source and the same place, on every run; 32 hexadecimal
// digits. `target` is the path on the node, `source` the file here.
std::string UploadId(std::string_view target, const struct stat& source);

// Likewise of the file at `path` on the node.
std::string DownloadId(std::string_view path, const client::FileInfo& source);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_COPY_RESUME_ID_H_
