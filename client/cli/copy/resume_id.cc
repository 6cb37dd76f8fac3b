#include "client/cli/copy/resume_id.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "client/file_hash.h"

namespace nacre::cli {
namespace {

std::string IdOf(std::string_view facts, std::string_view path) {
  client::FileHash hash;
  hash.Add(facts);
  hash.Add(path);  // Last, for it may hold any byte.
  return absl::BytesToHexString(hash.Canonical());
}

}  // namespace

std::string UploadId(std::string_view target, const struct stat& source) {
  return IdOf(absl::StrCat("up ", source.st_size, " ", source.st_mtim.tv_sec, ".",
                           source.st_mtim.tv_nsec, " ", source.st_dev, " ", source.st_ino, " "),
              target);
}

std::string DownloadId(std::string_view path, const client::FileInfo& source) {
  return IdOf(absl::StrCat("down ", source.size, " ", absl::ToUnixNanos(source.modify_time), " ",
                           source.version.size(), " ", source.version, " "),
              path);
}

}  // namespace nacre::cli
