#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace nacre::keeper {

// Bounds on all processes of a cgroup together; 0: none.
struct CgroupLimits {
  uint64_t memory_bytes = 0;
  uint32_t processes = 0;
};

// The cgroup of one session: everything it has started is in here, wherever it has gone. Removed
// when destroyed, or once it is empty (Cgroups::Tidy). Keeper's thread only, as all here.
class Cgroup {
 public:
  Cgroup(std::string path, std::vector<std::string>* leftovers)
      : path_(std::move(path)), leftovers_(leftovers) {}
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;
  ~Cgroup();

  const std::string& path() const { return path_; }
  // For clone3: a child is born inside.
  absl::StatusOr<UniqueFd> Open() const;

  // Sends a signal to every process inside. SIGKILL reaches them all at once, also those that are
  // being born.
  void Signal(int number) const;
  // CPU time used so far by all processes that were ever inside.
  int64_t CpuNs() const;
  // Those inside that live.
  std::vector<pid_t> Processes() const;
  // Whether a process inside was killed for want of memory.
  bool OutOfMemory() const;

 private:
  const std::string path_;
  std::vector<std::string>* const leftovers_;
};

// The part of the cgroup v2 tree that this node may divide among its sessions:
//
//   BASE/nacre-NAME/daemon     nacred and its front, where there are controllers to hand on
//   BASE/nacre-NAME/s17        session 17
//
// NAME is that of the state directory (device and inode), so the next keeper finds what one that
// was killed has left.
class Cgroups {
 public:
  // In `base`; empty: this process's own cgroup, if it is this node's to divide.
  // FAILED_PRECONDITION and the like: it is not, and why. Kills what an earlier keeper has left
  // there.
  static absl::StatusOr<std::unique_ptr<Cgroups>> Open(const std::string& base,
                                                       const std::string& state_dir);
  // Kills all that is inside, and removes it.
  ~Cgroups();

  // UNIMPLEMENTED names the limit that can't be enforced here.
  absl::StatusOr<std::unique_ptr<Cgroup>> Create(uint64_t session, const CgroupLimits& limits);

  // Removes the cgroups of ended sessions whose last process has gone since.
  void Tidy();
  // Whether there are such that still hold processes.
  bool untidy() const { return !leftovers_.empty(); }

  const std::string& path() const { return path_; }

 private:
  explicit Cgroups(std::string path) : path_(std::move(path)) {}

  void DivideControllers(const std::string& base);

  const std::string path_;
  bool has_memory_ = false, has_pids_ = false;
  std::vector<std::string> leftovers_;
};

}  // namespace nacre::keeper
