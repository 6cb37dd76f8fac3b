#include "keeper/front_process.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_format.h"
#include "base/clock.h"

namespace nacre::keeper {
namespace {

constexpr int kChannelFd = 3;
// A front that served so long is no failure to start: the next one starts at once, and still no
// loop is tight.
constexpr int64_t kServedWellNs = 30'000'000;
constexpr int64_t kFirstDelayNs = 100'000'000;
constexpr int64_t kMaxDelayNs = 5'000'000'000;

int SpawnFront(const std::string& program, const std::vector<std::string>& arguments, int channel,
               int* pid) {
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, channel, kChannelFd);
  posix_spawn_file_actions_addclosefrom_np(&actions, kChannelFd + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  const int error = posix_spawn(pid, program.c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

absl::StatusOr<FrontProcess> FrontProcess::Start(const std::string& program,
                                                 const std::vector<std::string>& arguments) {
  auto pair = seqpacket::Pair();
  if (!pair.ok()) return pair.status();
  FrontProcess front;
  front.channel_ = std::move(pair->first);
  if (const int error = SpawnFront(program, arguments, pair->second.get(), &front.pid_);
      error != 0) {
    return absl::ErrnoToStatus(error, program);
  }
  front.pidfd_.reset(static_cast<int>(syscall(SYS_pidfd_open, front.pid_, 0)));
  if (!front.pidfd_.valid()) {
    const int error = errno;
    front.Kill(SIGKILL);
    waitpid(front.pid_, nullptr, 0);
    return absl::ErrnoToStatus(error, "pidfd_open");
  }
  return front;
}

void FrontProcess::Kill(int signal) const { kill(pid_, signal); }

std::string FrontProcess::Reap() {
  int status = 0;
  waitpid(pid_, &status, 0);
  if (WIFSIGNALED(status)) {
    return absl::StrFormat("killed by SIG%s%s", sigabbrev_np(WTERMSIG(status)),
                           WCOREDUMP(status) ? " (core dumped)" : "");
  }
  return absl::StrFormat("exited with status %d", WEXITSTATUS(status));
}

int64_t Backoff::NextDelayNs(int64_t served_ns) {
  if (served_ns >= kServedWellNs) {
    delay_ns_ = 0;
    return 0;
  }
  const int64_t delay = delay_ns_;
  delay_ns_ = std::clamp(delay_ns_ * 2, kFirstDelayNs, kMaxDelayNs);
  return delay;
}

}  // namespace nacre::keeper
