#include "bench/scratch_directory.h"

#include <errno.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace nacre::bench {

absl::StatusOr<ScratchDirectory> ScratchDirectory::Make() {
  const char* base = getenv("TMPDIR");
  std::string path = absl::StrCat(base != nullptr ? base : "/tmp", "/nacre-bench.XXXXXX");
  if (mkdtemp(path.data()) == nullptr) return absl::ErrnoToStatus(errno, path);
  return ScratchDirectory(std::move(path));
}

absl::Status ScratchDirectory::Write(const std::string& name, const std::string& content) const {
  std::ofstream file(File(name), std::ios::binary);
  file << content;
  file.close();
  return file ? absl::OkStatus() : absl::InternalError(absl::StrCat("can't write ", File(name)));
}

absl::StatusOr<std::string> ScratchDirectory::Read(const std::string& name) const {
  const std::ifstream file(File(name), std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  if (!file || !content) return absl::InternalError(absl::StrCat("can't read ", File(name)));
  return content.str();
}

void ScratchDirectory::Remove() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  path_.clear();
}

}  // namespace nacre::bench
