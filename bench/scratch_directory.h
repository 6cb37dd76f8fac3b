#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace nacre::bench {

// A fresh directory in the temporary one ($TMPDIR, or /tmp) that only we can enter. Goes with this
// object, with all that is in it. Not thread-safe.
class ScratchDirectory {
 public:
  static absl::StatusOr<ScratchDirectory> Make();

  ScratchDirectory(ScratchDirectory&& other) noexcept
      : path_(std::exchange(other.path_, std::string())) {}
  ScratchDirectory& operator=(ScratchDirectory&&) = delete;
  ~ScratchDirectory() { Remove(); }

  std::string File(const std::string& name) const { return path_ + "/" + name; }
  absl::Status Write(const std::string& name, const std::string& content) const;
  absl::StatusOr<std::string> Read(const std::string& name) const;

  // Takes it away now.
  void Remove();

  const std::string& path() const { return path_; }

 private:
  explicit ScratchDirectory(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

}  // namespace nacre::bench
