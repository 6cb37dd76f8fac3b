#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nacre/files/v1/files.pb.h"

namespace nacre {

// What a caller does with files, as policy and audit know it.
enum class FileVerb {
  kStat,
  kList,
  kRead,
  kWrite,
  kMakeDirectory,
  kMakeSymlink,
  kMove,
  kRemove,
  kSetAttributes,
  kWatch
};

// The verb's name in policy and audit, e.g. "read_file".
const char* ToString(FileVerb verb);
// Whether the audit hears of it though it is allowed: all but looking.
bool IsAudited(FileVerb verb);

// One request about files: who may make it is policy's, how it is done is the helper's. Value.
struct FileRequest {
  FileVerb verb = FileVerb::kStat;
  std::string run_as;  // empty: the caller's own, see Policy
  // Of a write, what the audit is told; the helper hears of it at the end.
  std::optional<uint32_t> mode;
  // What the helper is asked. Its id is chosen by who sends it.
  files::v1::Request operation;
};

// The paths that a request is about: of a move two, from and to.
std::vector<files::v1::Path> PathsOf(const FileRequest& request);

}  // namespace nacre
