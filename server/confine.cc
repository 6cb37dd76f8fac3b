#include "server/confine.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace nacre {
namespace {

// What a flood of requests may make of this process; it ends then, and the next one goes on. Stacks
// count as well.
[[maybe_unused]] constexpr rlim_t kMaxDataBytes = rlim_t{2} << 30;

// By what they are for. Those that glibc's or a sanitizer's own start and end need are among them.
constexpr const char* kAllowed[] = {
    // descriptors
    "read write readv writev pread64 pwrite64 preadv pwritev close close_range dup dup2 dup3 fcntl "
    "ioctl lseek sendfile splice pipe pipe2 eventfd2 timerfd_create timerfd_settime "
    "timerfd_gettime memfd_create ftruncate fallocate fsync fdatasync flock",
    // waiting
    "epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 poll ppoll select "
    "pselect6",
    // sockets
    "socket socketpair bind listen accept accept4 connect shutdown getsockname getpeername "
    "getsockopt setsockopt sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg",
    // files
    "open openat stat lstat fstat newfstatat statx statfs fstatfs access faccessat faccessat2 "
    "readlink readlinkat getdents64 getcwd unlink unlinkat umask",
    // memory
    "mmap munmap mprotect mremap madvise brk mincore msync membarrier",
    // threads; how they begin is below
    "futex set_robust_list get_robust_list rseq set_tid_address gettid sched_yield "
    "sched_getaffinity sched_getparam sched_getscheduler exit exit_group arch_prctl prctl",
    // signals
    "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait sigaltstack signalfd4 "
    "restart_syscall pause",
    // time
    "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time timer_create "
    "timer_settime timer_delete",
    // this process and its machine
    "getpid getppid getuid geteuid getgid getegid getgroups getresuid getresgid getpgrp getpgid "
    "getsid getrlimit prlimit64 getrusage times sysinfo uname getrandom getcpu getpriority capget",
#ifdef __SANITIZE_ADDRESS__
    // LeakSanitizer looks at this process through another one.
    "ptrace wait4 process_vm_readv clone tgkill getdents",
#endif
};

// Whether this process's user is another than the keeper's.
[[maybe_unused]] bool HasOwnUser() {
  struct stat parent;
  const std::string path = absl::StrFormat("/proc/%d", getppid());
  return stat(path.c_str(), &parent) != 0 || parent.st_uid != geteuid();
}

absl::Status FilterSystemCalls() {
  const std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)),
                                                                seccomp_release);
  if (filter == nullptr) return absl::InternalError("seccomp: no filter can be made");
  int error = 0;
  for (const absl::string_view group : kAllowed) {
    for (const std::string& name : std::vector<std::string>(absl::StrSplit(group, ' '))) {
      const int number = seccomp_syscall_resolve_name(name.c_str());
      if (number == __NR_SCMP_ERROR) continue;  // of another machine
      if (error == 0) error = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, number, 0);
    }
  }
#ifndef __SANITIZE_ADDRESS__
  // Threads of its own, and nothing else that is new: no processes, no namespaces.
  constexpr scmp_datum_t kNew = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  const scmp_datum_t thread = CLONE_THREAD, self = static_cast<scmp_datum_t>(getpid());
  if (error == 0) {
    error = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                             SCMP_A0(SCMP_CMP_MASKED_EQ, kNew | thread, thread));
  }
  if (error == 0) {
    error = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                             SCMP_A0(SCMP_CMP_EQ, self));
  }
#endif
  // A filter can't see its arguments; glibc goes back to clone where there is no clone3.
  if (error == 0)
    error = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
  if (error == 0) error = seccomp_load(filter.get());
  if (error != 0) return absl::ErrnoToStatus(-error, "seccomp");
  return absl::OkStatus();
}

}  // namespace

absl::Status Confine() {
  const rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  setrlimit(RLIMIT_MEMLOCK, &none);
#ifndef __SANITIZE_ADDRESS__
  const rlimit data = {kMaxDataBytes, kMaxDataBytes};
  if (setrlimit(RLIMIT_DATA, &data) != 0) return absl::ErrnoToStatus(errno, "RLIMIT_DATA");
#endif
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return absl::ErrnoToStatus(errno, "PR_SET_PDEATHSIG");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return absl::ErrnoToStatus(errno, "PR_SET_NO_NEW_PRIVS");
  }
#ifndef __SANITIZE_ADDRESS__
  if (HasOwnUser() && prctl(PR_SET_DUMPABLE, 0) != 0) {
    return absl::ErrnoToStatus(errno, "PR_SET_DUMPABLE");
  }
#endif
  return FilterSystemCalls();
}

}  // namespace nacre
