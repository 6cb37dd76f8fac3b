#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace nacre::keeper {

// What a child says on its report pipe. kUnshared comes first: it has its own descriptors now. The
// others are the step that failed, with the numbers of nacre.keeper.v1.SpawnStep, and end it.
enum class ChildStep : int32_t {
  kUnshared = 0,
  kSetup = 4,
  kChdir = 5,
  kExec = 6,
  kInterpreter = 7
};
struct ChildReport {
  ChildStep step;
  int32_t error;  // errno of a step that failed
};

// Everything a child needs, prepared before it exists: it only makes system calls.
struct ChildPlan {
  std::vector<std::string> argv;
  std::vector<std::string> env;
  // Tried in order, as execvp(3) would.
  std::vector<std::string> candidates;
  std::string cwd;
  // Whether to go on in / where `cwd` can't be entered.
  bool cwd_optional = false;
};

// Starts commands by an asynchronous clone that shares the keeper's memory and descriptor table
// until the child has taken its own copy of the low descriptors, so that a start costs the same
// with ten open descriptors or ten thousand and never stops the pump.
//
//   keeper                               child (own small stack, keeper's memory)
//   stage child ends on a lane's fds
//   clone3 ─────────────────────────────▶ close_range(lanes.., UNSHARE): own table
//   goes on pumping                       reports kUnshared
//   Unstage(lane): drops the ends         setsid, signals, fds 0-2, close the rest
//                                         chdir, umask, execve ──▶ report pipe closes
//   report pipe: end of file = running; {step, errno} = failed
//   Release(lane)                         (its stack and descriptors may be used again)
//
// A lane is the four reserved descriptors, the stack and the plan of one start under way. Not
// thread-safe: the keeper's one thread only.
class Spawner {
 public:
  struct Child {
    int pid = -1;
    UniqueFd pidfd;
    // Reads as ChildReports, then as end of file once the command runs or the child is gone.
    UniqueFd report;
    int lane = -1;
  };

  // Reserves the lanes, with the signals that are ignored now: early, since a child copies every
  // descriptor below the last lane's before it closes them. The bounds on open files are those that
  // children get back.
  static absl::StatusOr<std::unique_ptr<Spawner>> Create(int lanes, uint64_t child_nofile_soft,
                                                         uint64_t child_nofile_hard);
  ~Spawner();

  // Whether a lane is free; if not, starts wait for a Release.
  bool HasLane() const { return !free_lanes_.empty(); }

  // Starts a child with the given ends as descriptors 0, 1 and 2; the caller closes its own copies.
  // Needs a free lane.
  absl::StatusOr<Child> Start(ChildPlan plan, int in, int out, int err);

  // The child has its own descriptors: the keeper's copies of its ends go.
  void Unstage(int lane);
  // The child runs the command or is gone: takes back its lane.
  void Release(int lane);

 private:
  struct Lane;

  Spawner() = default;

  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<int> free_lanes_;
  UniqueFd null_;
};

}  // namespace nacre::keeper
