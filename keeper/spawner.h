#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
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
  kInterpreter = 7,
  kCredentials = 10
};
struct ChildReport {
  ChildStep step;
  int32_t error;  // errno of a step that failed
};

// Whom a child becomes, for good.
struct Credentials {
  uid_t uid;
  gid_t gid;
  std::vector<gid_t> groups;
};

// A bound on one process, as in setrlimit(2).
struct ProcessLimit {
  int resource;
  rlimit limit;
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
  // Absent: those of this process.
  std::optional<Credentials> credentials;
  // No program that it runs gives it more rights than it has.
  bool no_new_privileges = false;
  // Beside the bound on open files that every child gets back, and after it.
  std::vector<ProcessLimit> limits;
  // 0 to 19; what this process has itself is not handed on, as far as it may.
  int nice = 0;
  unsigned umask = 022;
  // cgroup that it is born in, a descriptor; -1: this process's own.
  int cgroup = -1;
  // It has memory of its own from the start. Whoever kills a process for want of memory kills all
  // that share it: a child under a bound on memory must not share ours.
  bool own_memory = false;
  // Descriptor 0 becomes its controlling terminal.
  bool terminal = false;
  // Open file to execute, a descriptor, so that its path need not be the child's to walk; the
  // candidates are for a script, which can't be had so. -1: only the candidates.
  int program = -1;
};

// What the keeper asks of who starts processes: a Spawner, or in its tests one without processes.
// Keeper's thread only.
class Launcher {
 public:
  struct Child {
    int pid = -1;
    UniqueFd pidfd;
    // Reads as ChildReports, then as end of file once the command runs or the child is gone.
    UniqueFd report;
    int lane = -1;
  };

  virtual ~Launcher() = default;

  // Whether a lane is free; if not, starts wait for a Release.
  virtual bool HasLane() const = 0;

  // Starts a child with the given ends as descriptors 0, 1 and 2; the caller closes its own copies.
  // Needs a free lane.
  virtual absl::StatusOr<Child> Start(ChildPlan plan, int in, int out, int err) = 0;

  // The child has its own descriptors: the keeper's copies of its ends go.
  virtual void Unstage(int lane) = 0;
  // The child runs the command or is gone: takes back its lane.
  virtual void Release(int lane) = 0;
};

// Starts commands by an asynchronous clone that shares the keeper's memory and descriptor table
// until the child has taken its own copy of the low descriptors, so that a start costs the same
// with ten open descriptors or ten thousand and never stops the pump.
//
//   keeper                               child (own small stack, keeper's memory)
//   stage child ends on a lane's fds
//   clone3 ─────────────────────────────▶ close_range(lanes.., UNSHARE): own table
//   goes on pumping                       reports kUnshared
//   Unstage(lane): drops the ends         limits, setsid, signals, fds 0-2, close the rest
//                                         groups, gid, uid, no way back
//                                         chdir, umask, execve ──▶ report pipe closes
//   report pipe: end of file = running; {step, errno} = failed
//   Release(lane)                         (its stack and descriptors may be used again)
//
// A lane is the five reserved descriptors, the stack and the plan of one start under way. Not
// thread-safe: the keeper's one thread only.
//
// Between its setresuid and its execve a child of another user shares this process's memory. What
// keeps that user out is that the memory is not dumpable (ptrace(2)): Create sees to it.
class Spawner : public Launcher {
 public:
  // Descriptors that a lane reserves.
  static constexpr int kFdsPerLane = 5;

  // Reserves the lanes, with the signals that are ignored now: early, since a child copies every
  // descriptor below the last lane's before it closes them. The bounds on open files are those that
  // children get back. FAILED_PRECONDITION: this process is root, and the system lets users look
  // into memory that has changed hands.
  static absl::StatusOr<std::unique_ptr<Spawner>> Create(int lanes, uint64_t child_nofile_soft,
                                                         uint64_t child_nofile_hard);
  ~Spawner() override;

  bool HasLane() const override { return !free_lanes_.empty(); }
  absl::StatusOr<Child> Start(ChildPlan plan, int in, int out, int err) override;
  void Unstage(int lane) override;
  void Release(int lane) override;

 private:
  struct Lane;

  Spawner() = default;

  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<int> free_lanes_;
  UniqueFd null_;
  // This process is more, or less, likely to be killed for want of memory than others. That belongs
  // to the memory: a child that is to be as likely as others needs its own from the start.
  bool own_oom_score_ = false;
};

}  // namespace nacre::keeper
