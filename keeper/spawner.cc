#include "keeper/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "keeper/clone.h"

namespace nacre::keeper {
namespace {

constexpr size_t kStackBytes = 64 * 1024;
constexpr int kFdsPerLane = 4;  // in, out, err, report
constexpr unsigned kCommandUmask = 022;

// The kernel's own layout of a signal action (glibc's differs).
struct KernelSigaction {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};

// What the child reads; lives in the lane until the child has reported.
struct ChildArguments {
  const char* const* argv;
  const char* const* envp;
  const char* const* candidates;
  const char* cwd;
  bool cwd_optional;
  int first_fd;    // of the lane
  int beyond_fds;  // first descriptor above all lanes
  int keeper_pid;
  rlimit nofile;
  uint64_t ignored_signals;  // bit n - 1: signal n
};

NACRE_CHILD_CODE void Report(const ChildArguments& args, ChildStep step, long error) {
  const ChildReport report{step, static_cast<int32_t>(-error)};
  raw::Syscall(SYS_write, args.first_fd + 3, reinterpret_cast<long>(&report), sizeof(report));
}

[[noreturn]] NACRE_CHILD_CODE void Fail(const ChildArguments& args, ChildStep step, long error) {
  Report(args, step, error);
  for (;;) raw::Syscall(SYS_exit_group, 127);
}

NACRE_CHILD_CODE void ResetSignals(const ChildArguments& args) {
  // CLONE_CLEAR_SIGHAND has reset handlers; what the keeper ignores is still ignored.
  KernelSigaction action = {};
  for (int number = 1; number <= 64; ++number) {
    if ((args.ignored_signals >> (number - 1) & 1) == 0) continue;
    raw::Syscall(SYS_rt_sigaction, number, reinterpret_cast<long>(&action), 0, sizeof(uint64_t));
  }
  const uint64_t none = 0;
  const long error = raw::Syscall(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<long>(&none), 0,
                                  sizeof(uint64_t));
  if (error < 0) Fail(args, ChildStep::kSetup, error);
}

NACRE_CHILD_CODE void SetUpDescriptors(const ChildArguments& args) {
  for (int i = 0; i < 3; ++i) {
    const long error = raw::Syscall(SYS_dup3, args.first_fd + i, i, 0);
    if (error < 0) Fail(args, ChildStep::kSetup, error);
  }
  const int report = args.first_fd + 3;
  long error = raw::Syscall(SYS_close_range, 3, report - 1, 0);
  if (error < 0) Fail(args, ChildStep::kSetup, error);
  error = raw::Syscall(SYS_close_range, report + 1, ~0U, 0);
  if (error < 0) Fail(args, ChildStep::kSetup, error);
}

NACRE_CHILD_CODE void EnterDirectory(const ChildArguments& args) {
  const long error = raw::Syscall(SYS_chdir, reinterpret_cast<long>(args.cwd));
  if (error == 0) return;
  if (!args.cwd_optional) Fail(args, ChildStep::kChdir, error);
  const long root_error = raw::Syscall(SYS_chdir, reinterpret_cast<long>("/"));
  if (root_error < 0) Fail(args, ChildStep::kChdir, root_error);
}

// execvp(3)'s rules, without its fall-back to a shell.
[[noreturn]] NACRE_CHILD_CODE void Execute(const ChildArguments& args) {
  long outcome = -ENOENT;
  for (const char* const* path = args.candidates; *path != nullptr; ++path) {
    const long file = reinterpret_cast<long>(*path);
    const long error = raw::Syscall(SYS_execve, file, reinterpret_cast<long>(args.argv),
                                    reinterpret_cast<long>(args.envp));
    if (error == -ENOENT || error == -ENOTDIR || error == -ESTALE) {
      // The file exists, so what does not exist is its interpreter.
      if (raw::Syscall(SYS_faccessat, AT_FDCWD, file, 0) == 0) {
        Fail(args, ChildStep::kInterpreter, error);
      }
      continue;
    }
    if (error != -EACCES) Fail(args, ChildStep::kExec, error);
    outcome = error;
  }
  Fail(args, ChildStep::kExec, outcome);
}

NACRE_CHILD_CODE void ChildMain(void* argument) {
  const ChildArguments& args = *static_cast<const ChildArguments*>(argument);
  // First of all its own descriptor table, of the low descriptors only: from here on the keeper may
  // do with its table what it likes.
  long error = raw::Syscall(SYS_close_range, args.beyond_fds, ~0U, CLOSE_RANGE_UNSHARE);
  if (error < 0) Fail(args, ChildStep::kSetup, error);
  Report(args, ChildStep::kUnshared, 0);
  raw::Syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  if (raw::Syscall(SYS_getppid) != args.keeper_pid) Fail(args, ChildStep::kSetup, -ESRCH);
  error = raw::Syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, reinterpret_cast<long>(&args.nofile));
  if (error < 0) Fail(args, ChildStep::kSetup, error);
  error = raw::Syscall(SYS_setsid);
  if (error < 0) Fail(args, ChildStep::kSetup, error);
  ResetSignals(args);
  SetUpDescriptors(args);
  EnterDirectory(args);
  raw::Syscall(SYS_umask, kCommandUmask);
  Execute(args);
}

std::vector<const char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<const char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& string : strings) pointers.push_back(string.c_str());
  pointers.push_back(nullptr);
  return pointers;
}

uint64_t IgnoredSignals() {
  uint64_t ignored = 0;
  for (int number = 1; number <= 64; ++number) {
    struct sigaction action;
    if (sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) {
      ignored |= uint64_t{1} << (number - 1);
    }
  }
  return ignored;
}

// The first of `count` consecutive free descriptors from `from` on.
int FreeRange(int from, int count) {
  int first = from;
  for (int fd = from; fd < first + count; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) first = fd + 1;
  }
  return first;
}

}  // namespace

struct Spawner::Lane {
  ~Lane() {
    if (stack != MAP_FAILED) munmap(stack, kStackBytes);
  }
  void Prepare(ChildPlan new_plan) {
    plan = std::move(new_plan);
    argv = Pointers(plan.argv);
    env = Pointers(plan.env);
    candidates = Pointers(plan.candidates);
    arguments.argv = argv.data();
    arguments.envp = env.data();
    arguments.candidates = candidates.data();
    arguments.cwd = plan.cwd.c_str();
    arguments.cwd_optional = plan.cwd_optional;
  }

  int first_fd = -1;
  bool staged = false;
  void* stack = MAP_FAILED;
  ChildPlan plan;
  std::vector<const char*> argv, env, candidates;
  ChildArguments arguments;
};

absl::StatusOr<std::unique_ptr<Spawner>> Spawner::Create(int lanes, uint64_t child_nofile_soft,
                                                         uint64_t child_nofile_hard) {
  std::unique_ptr<Spawner> spawner(new Spawner);
  spawner->null_.reset(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!spawner->null_.valid()) return absl::ErrnoToStatus(errno, "/dev/null");
  const int count = lanes * kFdsPerLane;
  const int first = FreeRange(spawner->null_.get() + 1, count);
  const int beyond = first + count;
  for (int i = 0; i < lanes; ++i) {
    auto lane = std::make_unique<Lane>();
    lane->first_fd = first + i * kFdsPerLane;
    // No guard page is needed: the child's calls are a few frames deep and use a few hundred bytes.
    lane->stack = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (lane->stack == MAP_FAILED) return absl::ErrnoToStatus(errno, "child stack");
    for (int fd = lane->first_fd; fd < lane->first_fd + kFdsPerLane; ++fd) {
      if (dup3(spawner->null_.get(), fd, O_CLOEXEC) < 0) {
        return absl::ErrnoToStatus(errno, "reserving descriptors");
      }
    }
    lane->arguments.first_fd = lane->first_fd;
    lane->arguments.beyond_fds = beyond;
    lane->arguments.keeper_pid = getpid();
    lane->arguments.ignored_signals = IgnoredSignals();
    lane->arguments.nofile = {child_nofile_soft, child_nofile_hard};
    spawner->free_lanes_.push_back(i);
    spawner->lanes_.push_back(std::move(lane));
  }
  return spawner;
}

Spawner::~Spawner() {
  for (const auto& lane : lanes_) {
    for (int i = 0; i < kFdsPerLane; ++i) close(lane->first_fd + i);
  }
}

absl::StatusOr<Spawner::Child> Spawner::Start(ChildPlan plan, int in, int out, int err) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  Child child;
  child.report.reset(report[0]);
  const UniqueFd report_end(report[1]);
  child.lane = free_lanes_.back();
  free_lanes_.pop_back();
  Lane& lane = *lanes_[child.lane];
  lane.staged = true;
  const int ends[kFdsPerLane] = {in, out, err, report_end.get()};
  for (int i = 0; i < kFdsPerLane; ++i) {
    if (dup3(ends[i], lane.first_fd + i, O_CLOEXEC) < 0) {
      const absl::Status status = absl::ErrnoToStatus(errno, "dup3");
      Release(child.lane);
      return status;
    }
  }
  lane.Prepare(std::move(plan));

  int pidfd = -1;
  clone_args args = {};
  args.flags = CLONE_VM | CLONE_FILES | CLONE_CLEAR_SIGHAND | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  args.stack = reinterpret_cast<uint64_t>(lane.stack);
  args.stack_size = kStackBytes;
  const long pid = raw::Clone3(&args, ChildMain, &lane.arguments);
  if (pid < 0) {
    Release(child.lane);
    return absl::ErrnoToStatus(static_cast<int>(-pid), "clone3");
  }
  child.pid = static_cast<int>(pid);
  child.pidfd.reset(pidfd);
  return child;
}

void Spawner::Unstage(int lane) {
  if (!std::exchange(lanes_[lane]->staged, false)) return;
  for (int i = 0; i < kFdsPerLane; ++i) {
    dup3(null_.get(), lanes_[lane]->first_fd + i, O_CLOEXEC);
  }
}

void Spawner::Release(int lane) {
  Unstage(lane);
  lanes_[lane]->Prepare({});  // a big plan is not kept
  free_lanes_.push_back(lane);
}

}  // namespace nacre::keeper
