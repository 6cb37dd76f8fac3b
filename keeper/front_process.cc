#include "keeper/front_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/clock.h"

namespace nacre::keeper {
namespace {

// A front that served so long is no failure to start: the next one starts at once, and still no
// loop is tight.
constexpr int64_t kServedWellNs = 30'000'000;
// How long its start may take; nothing else is done meanwhile.
constexpr int64_t kStartNs = 5'000'000'000;
constexpr int64_t kFirstDelayNs = 100'000'000;
constexpr int64_t kMaxDelayNs = 5'000'000'000;

// What a front is told of this process's environment, which may hold secrets of who started it.
constexpr const char* kFrontEnvironment[] = {
    "PATH",         "LANG",         "LC_ALL",        "TZ",
    "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"};

ChildPlan PlanFront(const FrontProgram& program, int file) {
  ChildPlan plan;
  plan.argv.push_back(program.path);
  for (const std::string& argument : program.arguments) plan.argv.push_back(argument);
  for (const char* name : kFrontEnvironment) {
    const char* value = getenv(name);
    if (value != nullptr) plan.env.push_back(absl::StrCat(name, "=", value));
  }
  plan.candidates.push_back(program.path);
  plan.cwd.assign(1, '/');
  plan.credentials = program.credentials;
  plan.no_new_privileges = true;
  plan.program = file;
  return plan;
}

// Waits until the child runs its program; the error is that of the step that failed.
absl::Status AwaitRunning(Launcher& launcher, const Launcher::Child& child,
                          const std::string& path) {
  ChildReport report{};
  int error = 0;
  const int64_t deadline = MonotonicNs() + kStartNs;
  for (;;) {
    pollfd readable{.fd = child.report.get(), .events = POLLIN, .revents = 0};
    const int64_t left_ms = (deadline - MonotonicNs()) / 1'000'000;
    if (poll(&readable, 1, static_cast<int>(std::max<int64_t>(left_ms, 0))) == 0) {
      error = ETIMEDOUT;  // somebody of its user has stopped it, or its file does not come
      break;
    }
    const ssize_t got = read(child.report.get(), &report, sizeof(report));
    if (got < 0 && errno == EINTR) continue;
    if (got != sizeof(report)) break;
    if (report.step == ChildStep::kUnshared) {
      launcher.Unstage(child.lane);
    } else {
      error = report.error;
    }
  }
  if (error != 0) {
    kill(child.pid, SIGKILL);
    waitpid(child.pid, nullptr, 0);
  }
  launcher.Release(child.lane);
  return error == 0 ? absl::OkStatus() : absl::ErrnoToStatus(error, path);
}

}  // namespace

absl::StatusOr<FrontProcess> FrontProcess::Start(Launcher& launcher, const FrontProgram& program) {
  auto pair = seqpacket::Pair();
  if (!pair.ok()) return pair.status();
  const UniqueFd file(open(program.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return absl::ErrnoToStatus(errno, program.path);
  struct stat info;
  if (fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(program.path + " is no regular file");
  }
  FrontProcess front;
  front.channel_ = std::move(pair->first);
  auto child = launcher.Start(PlanFront(program, file.get()), pair->second.get(), STDERR_FILENO,
                              STDERR_FILENO);
  if (!child.ok()) return child.status();
  if (absl::Status status = AwaitRunning(launcher, *child, program.path); !status.ok()) {
    return status;
  }
  front.pid_ = child->pid;
  front.pidfd_ = std::move(child->pidfd);
  return front;
}

void FrontProcess::Kill(int signal) const { kill(pid_, signal); }

std::string FrontProcess::Reap() {
  int status = 0;
  const pid_t reaped = waitpid(pid_, &status, WNOHANG);
  if (reaped == 0) return "has ended, and a tracer keeps it";
  if (reaped < 0) return "has ended, nobody knows how";
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
