// Directories and files of ours that are written to with what a node says.
#ifndef NACRE_CLIENT_CLI_COPY_LOCAL_TREE_H_
#define NACRE_CLIENT_CLI_COPY_LOCAL_TREE_H_

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"

namespace nacre::cli {

class LocalDirectory;

// A new file under construction: it takes its name, in one step, in Commit(); until then, whoever
// looks sees what was there before. Belongs to one thread at a time; its directory outlives it.
class LocalFile {
 public:
  LocalFile(LocalFile&& other) noexcept;
  LocalFile& operator=(LocalFile&&) = delete;
  ~LocalFile();  // Uncommitted: nothing is left but what OpenPartial() has opened, if not empty.

  // How much is there already, of one that is gone on with.
  uint64_t size() const { return size_; }

  absl::Status Write(std::string_view data);
  // So many zero bytes, which take no room.
  absl::Status Hole(uint64_t bytes);

  // Whether what is there is left for a later OpenPartial().
  bool kept() const { return kept_ && size_ > 0; }
  // Leaves nothing: what is there is of no use.
  void Drop() { kept_ = false; }

  absl::Status Commit(uint32_t mode, std::optional<absl::Time> modify_time);

  // XXH3-128 of what is in the file, read from it.
  absl::StatusOr<std::string> Checksum() const;

 private:
  friend class LocalDirectory;
  LocalFile(int directory, std::string name) : directory_(directory), name_(std::move(name)) {}

  absl::Status TakeName();

  int directory_;
  std::string name_;       // That it will have.
  std::string temporary_;  // That it has; empty: none.
  UniqueFd fd_;
  uint64_t size_ = 0;
  bool kept_ = false;
};

// A directory that is being filled. Never left: names are entries of this directory, which is open
// and so stays the same wherever it is moved, and no symbolic link is followed. Any thread may call
// any method.
class LocalDirectory {
 public:
  // Follows links: the path is our user's own.
  static absl::StatusOr<LocalDirectory> Open(const std::string& path);

  // The directory `name` in this one, made if it is not there. `unfinished`: whether it was, now or
  // by a run of ours that did not come to SetAttributes().
  absl::StatusOr<LocalDirectory> Enter(const std::string& name, bool* unfinished) const;

  // Begins a file `name`, which may replace a regular file or a symbolic link.
  absl::StatusOr<LocalFile> Create(const std::string& name) const;

  // The same under a name of its own that outlives us: begun anew, or with `resume` gone on with.
  // FAILED_PRECONDITION: somebody else is at it.
  absl::StatusOr<LocalFile> OpenPartial(const std::string& name, const std::string& id,
                                        bool resume) const;

  // Makes a symbolic link of that time; replaces as Create().
  absl::Status MakeSymlink(const std::string& name, const std::string& target,
                           absl::Time modify_time) const;

  // What the directory is to be in the end. It is ours to write in until then. Without `special`, a
  // set-group-ID bit that it has from the directory above stays.
  absl::Status SetAttributes(uint32_t mode, absl::Time modify_time, bool special = false) const;

  // It as it is now; false if that cannot be told.
  bool Describe(struct stat* found) const;

  // Whether a regular file of this name, size and time is there.
  bool Has(const std::string& name, uint64_t size, absl::Time modify_time) const;

  // XXH3-128 of what that file holds.
  absl::StatusOr<std::string> Checksum(const std::string& name) const;

 private:
  absl::StatusOr<LocalFile> OpenNamed(const std::string& name, const std::string& id, bool resume,
                                      bool kept) const;

  explicit LocalDirectory(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_COPY_LOCAL_TREE_H_
