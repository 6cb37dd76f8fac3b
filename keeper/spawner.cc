#include "keeper/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
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
// Of a lane: the child's ends, the file to execute, the report.
enum LaneFd { kIn, kOut, kErr, kProgram, kReport };
static_assert(kReport + 1 == Spawner::kFdsPerLane);
constexpr size_t kMaxCpus = 8192;  // Linux's own bound

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
  // Null: this process's CPUs are all there are.
  const cpu_set_t* all_cpus;
  bool reset_oom_score;
  bool reset_nice;
  int nice;
  unsigned umask;
  const ProcessLimit* limits;
  size_t limit_count;
  bool switch_user;
  uid_t uid;
  gid_t gid;
  const gid_t* groups;
  size_t group_count;
  bool no_new_privileges;
  bool has_terminal;
  bool has_program;
};

NACRE_CHILD_CODE void Report(const ChildArguments& args, ChildStep step, long error) {
  const ChildReport report{step, static_cast<int32_t>(-error)};
  raw::Syscall(SYS_write, args.first_fd + kReport, reinterpret_cast<long>(&report), sizeof(report));
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
  const int report = args.first_fd + kReport;
  const int kept = args.has_program ? args.first_fd + kProgram : report;
  long error = raw::Syscall(SYS_close_range, 3, kept - 1, 0);
  if (error < 0) Fail(args, ChildStep::kSetup, error);
  error = raw::Syscall(SYS_close_range, report + 1, ~0U, 0);
  if (error < 0) Fail(args, ChildStep::kSetup, error);
}

// The end of this process's life as it was: it must never be able to follow a parent that has died.
NACRE_CHILD_CODE void DieWithKeeper(const ChildArguments& args) {
  raw::Syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  if (raw::Syscall(SYS_getppid) != args.keeper_pid) Fail(args, ChildStep::kSetup, -ESRCH);
}

NACRE_CHILD_CODE void SetLimits(const ChildArguments& args) {
  long error = raw::Syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, reinterpret_cast<long>(&args.nofile));
  if (error < 0) Fail(args, ChildStep::kSetup, error);
  for (size_t i = 0; i < args.limit_count; ++i) {
    error = raw::Syscall(SYS_prlimit64, 0, args.limits[i].resource,
                         reinterpret_cast<long>(&args.limits[i].limit));
    if (error < 0) Fail(args, ChildStep::kSetup, error);
  }
  if (args.all_cpus != nullptr) {
    raw::Syscall(SYS_sched_setaffinity, 0, kMaxCpus / 8, reinterpret_cast<long>(args.all_cpus));
  }
  if (args.reset_oom_score) {
    const long file = raw::Syscall(SYS_openat, AT_FDCWD,
                                   reinterpret_cast<long>("/proc/self/oom_score_adj"), O_WRONLY);
    raw::Syscall(SYS_write, file, reinterpret_cast<long>("0"), 1);
    raw::Syscall(SYS_close, file);
  }
  if (args.reset_nice) raw::Syscall(SYS_setpriority, PRIO_PROCESS, 0, args.nice);
}

// Root for a moment longer, then never again: checked, not believed.
NACRE_CHILD_CODE void BecomeUser(const ChildArguments& args) {
  raw::Syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0);  // where there are keyrings at all
  long error = raw::Syscall(SYS_setgroups, static_cast<long>(args.group_count),
                            reinterpret_cast<long>(args.groups));
  if (error == 0) error = raw::Syscall(SYS_setresgid, args.gid, args.gid, args.gid);
  if (error == 0) error = raw::Syscall(SYS_setresuid, args.uid, args.uid, args.uid);
  if (error < 0) Fail(args, ChildStep::kCredentials, error);
  // What sets the id has made the memory as dumpable as fs.suid_dumpable says.
  raw::Syscall(SYS_prctl, PR_SET_DUMPABLE, 0);
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  if (args.uid != 0) {
    error = raw::Syscall(SYS_capset, reinterpret_cast<long>(&header), reinterpret_cast<long>(none));
    if (error < 0) Fail(args, ChildStep::kCredentials, error);
  }
  uid_t uids[3] = {};
  gid_t gids[3] = {};
  raw::Syscall(SYS_getresuid, reinterpret_cast<long>(&uids[0]), reinterpret_cast<long>(&uids[1]),
               reinterpret_cast<long>(&uids[2]));
  raw::Syscall(SYS_getresgid, reinterpret_cast<long>(&gids[0]), reinterpret_cast<long>(&gids[1]),
               reinterpret_cast<long>(&gids[2]));
  for (int i = 0; i < 3; ++i) {
    if (uids[i] != args.uid || gids[i] != args.gid) Fail(args, ChildStep::kCredentials, -EPERM);
  }
  if (args.uid != 0 &&
      (raw::Syscall(SYS_setresuid, 0, 0, 0) == 0 || raw::Syscall(SYS_setresuid, -1, 0, -1) == 0)) {
    Fail(args, ChildStep::kCredentials, -EPERM);
  }
  DieWithKeeper(args);  // a change of credentials has cleared it
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
  if (args.has_program) {
    const long error = raw::Syscall(SYS_execveat, args.first_fd + kProgram,
                                    reinterpret_cast<long>(""), reinterpret_cast<long>(args.argv),
                                    reinterpret_cast<long>(args.envp), AT_EMPTY_PATH);
    if (error != -ENOENT) Fail(args, ChildStep::kExec, error);
  }
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
  DieWithKeeper(args);
  SetLimits(args);
  error = raw::Syscall(SYS_setsid);
  if (error >= 0 && args.has_terminal) {
    error = raw::Syscall(SYS_ioctl, args.first_fd + kIn, TIOCSCTTY, 0);
  }
  if (error < 0) Fail(args, ChildStep::kSetup, error);
  ResetSignals(args);
  SetUpDescriptors(args);
  if (args.switch_user) BecomeUser(args);
  if (args.no_new_privileges) raw::Syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1);
  EnterDirectory(args);
  raw::Syscall(SYS_umask, args.umask);
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

// Every CPU, unless this process has them all.
const cpu_set_t* AllCpus() {
  static const std::vector<unsigned char> all(kMaxCpus / 8, 0xff);
  std::vector<unsigned char> own(kMaxCpus / 8);
  auto* set = reinterpret_cast<cpu_set_t*>(own.data());
  if (sched_getaffinity(0, own.size(), set) != 0 ||
      CPU_COUNT_S(own.size(), set) >= sysconf(_SC_NPROCESSORS_ONLN)) {
    return nullptr;
  }
  return reinterpret_cast<const cpu_set_t*>(all.data());
}

// Nobody may look into memory that root shares with a child on its way to another user.
absl::Status HideMemory() {
  if (geteuid() != 0) return absl::OkStatus();
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return absl::ErrnoToStatus(errno, "PR_SET_DUMPABLE");
  const UniqueFd file(open("/proc/sys/fs/suid_dumpable", O_RDONLY | O_CLOEXEC));
  char value = '0';
  if (file.valid() && read(file.get(), &value, 1) == 1 && value == '1') {
    return absl::FailedPreconditionError(
        "fs.suid_dumpable is 1, under which users may look into the memory of what was root's; "
        "set it to 0 or 2 (sysctl fs.suid_dumpable=0)");
  }
  return absl::OkStatus();
}

bool HasOomScore() {
  const UniqueFd file(open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC));
  char text[2] = {};
  return file.valid() && read(file.get(), text, sizeof(text)) > 0 &&
         (text[0] != '0' || text[1] != '\n');
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
    arguments.nice = plan.nice;
    arguments.umask = plan.umask;
    arguments.reset_nice = own_nice || plan.nice != 0;
    arguments.limits = plan.limits.data();
    arguments.limit_count = plan.limits.size();
    arguments.switch_user = plan.credentials.has_value();
    if (plan.credentials.has_value()) {
      arguments.uid = plan.credentials->uid;
      arguments.gid = plan.credentials->gid;
      arguments.groups = plan.credentials->groups.data();
      arguments.group_count = plan.credentials->groups.size();
    }
    arguments.no_new_privileges = plan.no_new_privileges;
    arguments.has_terminal = plan.terminal;
    arguments.has_program = plan.program >= 0;
  }

  int first_fd = -1;
  bool staged = false;
  bool own_nice = false;
  void* stack = MAP_FAILED;
  ChildPlan plan;
  std::vector<const char*> argv, env, candidates;
  ChildArguments arguments;
};

absl::StatusOr<std::unique_ptr<Spawner>> Spawner::Create(int lanes, uint64_t child_nofile_soft,
                                                         uint64_t child_nofile_hard) {
  if (absl::Status status = HideMemory(); !status.ok()) return status;
  std::unique_ptr<Spawner> spawner(new Spawner);
  spawner->null_.reset(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!spawner->null_.valid()) return absl::ErrnoToStatus(errno, "/dev/null");
  const int count = lanes * kFdsPerLane;
  const int first = FreeRange(spawner->null_.get() + 1, count);
  const int beyond = first + count;
  const cpu_set_t* all_cpus = AllCpus();
  spawner->own_oom_score_ = HasOomScore();
  const bool own_nice = getpriority(PRIO_PROCESS, 0) != 0;
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
    lane->arguments.all_cpus = all_cpus;
    lane->arguments.reset_oom_score = spawner->own_oom_score_;
    lane->own_nice = own_nice;
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

absl::StatusOr<Launcher::Child> Spawner::Start(ChildPlan plan, int in, int out, int err) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  Child child;
  child.report.reset(report[0]);
  const UniqueFd report_end(report[1]);
  child.lane = free_lanes_.back();
  free_lanes_.pop_back();
  Lane& lane = *lanes_[child.lane];
  lane.staged = true;
  const int ends[kFdsPerLane] = {in, out, err, plan.program >= 0 ? plan.program : null_.get(),
                                 report_end.get()};
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
  args.flags = CLONE_FILES | CLONE_CLEAR_SIGHAND | CLONE_PIDFD;
  if (!own_oom_score_ && !lane.plan.own_memory) args.flags |= CLONE_VM;
  args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  args.stack = reinterpret_cast<uint64_t>(lane.stack);
  args.stack_size = kStackBytes;
  if (lane.plan.cgroup >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(lane.plan.cgroup);
  }
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
