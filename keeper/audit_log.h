#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace nacre::keeper {

// Appends to the audit: one JSON object a line, numbered in sequence over the life of the file. A
// line is one write(2), so it survives the death of any process. Keeper's thread only.
class AuditLog {
 public:
  // Opens or creates `path` and goes on with the number after the last line's.
  static absl::StatusOr<std::unique_ptr<AuditLog>> Open(const std::string& path);

  // Writes `object`, a JSON object, with "seq" and "time" put in front. INVALID_ARGUMENT when it is
  // no single-line object; any other error: the line is not in the file.
  absl::Status Append(std::string_view object);

 private:
  explicit AuditLog(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
  uint64_t next_ = 1;
};

}  // namespace nacre::keeper
