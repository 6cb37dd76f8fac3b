#include "tests/fuzz/fake_machine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"

namespace nacre::keeper {
namespace {

// Above the kernel's PID_MAX_LIMIT, so that none is ever a real process's.
constexpr pid_t kFirstPid = 1 << 30;

FakeMachine* machine = nullptr;

UniqueFd Duplicate(int fd) {
  UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  Demand(copy.valid(), "there is a free descriptor");
  return copy;
}

uint64_t SessionOf(const ChildPlan& plan) {
  for (const std::string& variable : plan.env) {
    if (!absl::StartsWith(variable, "NACRE_SESSION_ID=")) continue;
    uint64_t number = 0;
    Demand(absl::SimpleAtoi(variable.substr(variable.rfind('-') + 1), &number),
           "a command knows its session");
    return number;
  }
  Demand(plan.program >= 0, "what is no command is a front");
  return 0;
}

}  // namespace

void Demand(bool holds, const char* rule) {
  if (holds) return;
  fprintf(stderr, "This does not hold: %s\n", rule);
  abort();
}

class FakeLauncher : public Launcher {
 public:
  FakeLauncher(FakeMachine* machine, int lanes) : machine_(*machine), lanes_(lanes) {}
  ~FakeLauncher() override {
    for (const Lane& lane : lanes_) Demand(!lane.taken, "every lane is given back");
  }

  bool HasLane() const override { return FreeLane() >= 0; }

  absl::StatusOr<Child> Start(ChildPlan plan, int in, int out, int err) override {
    const int lane = FreeLane();
    Demand(lane >= 0, "a start waits for a free lane");
    if (machine_.exhausted) return absl::ResourceExhaustedError("clone3: no memory");
    auto process = std::make_unique<FakeProcess>();
    process->pid = kFirstPid + static_cast<pid_t>(machine_.processes_.size());
    process->session = SessionOf(plan);
    int report[2];
    Demand(pipe2(report, O_CLOEXEC | O_NONBLOCK) == 0, "there is a free descriptor");
    Child child{.pid = process->pid,
                .pidfd = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
                .report = UniqueFd(report[0]),
                .lane = lane};
    process->report.reset(report[1]);
    process->exit_event = Duplicate(child.pidfd.get());
    // As a real lane, this one keeps the child's ends open until it is unstaged.
    lanes_[lane].taken = true;
    const int ends[] = {in, out, err};
    for (size_t i = 0; i < (process->is_front() ? 1 : 3); ++i) {
      process->ends[i] = Duplicate(ends[i]);
      lanes_[lane].copies.push_back(Duplicate(ends[i]));
    }
    lanes_[lane].copies.push_back(Duplicate(report[1]));
    if (process->is_front()) {
      // The keeper waits for it.
      FakeMachine::Report(process.get(), {ChildStep::kUnshared, 0});
      FakeMachine::RunProgram(process.get());
    }
    machine_.processes_.push_back(std::move(process));
    return child;
  }

  void Unstage(int lane) override { lanes_[lane].copies.clear(); }

  void Release(int lane) override {
    Demand(lanes_[lane].taken, "a lane is given back once");
    lanes_[lane] = {};
  }

 private:
  struct Lane {
    bool taken = false;
    std::vector<UniqueFd> copies;
  };

  int FreeLane() const {
    for (size_t i = 0; i < lanes_.size(); ++i) {
      if (!lanes_[i].taken) return static_cast<int>(i);
    }
    return -1;
  }

  FakeMachine& machine_;
  std::vector<Lane> lanes_;
};

FakeMachine::FakeMachine() {
  Demand(machine == nullptr, "there is one machine at a time");
  machine = this;
}

FakeMachine::~FakeMachine() { machine = nullptr; }

std::unique_ptr<Launcher> FakeMachine::MakeLauncher(int lanes) {
  return std::make_unique<FakeLauncher>(this, lanes);
}

void FakeMachine::Report(FakeProcess* process, ChildReport report) {
  if (!process->report.valid()) return;
  (void)!write(process->report.get(), &report, sizeof(report));
}

void FakeMachine::Exit(FakeProcess* process, int status, bool held_open) {
  if (!process->alive) return;
  process->alive = false;
  process->status = status;
  process->report.reset();
  if (!held_open) process->ends = {};
  const uint64_t one = 1;
  (void)!write(process->exit_event.get(), &one, sizeof(one));
}

FakeProcess* FakeMachine::Find(pid_t pid) {
  const auto index = static_cast<size_t>(pid - kFirstPid);
  Demand(pid >= kFirstPid && index < processes_.size(), "a process is one that was started");
  return processes_[index].get();
}

int FakeMachine::Kill(pid_t pid, int signal) {
  Demand(pid > 1 || pid < -1, "a signal is not for everybody");
  FakeProcess* process = Find(std::abs(pid));
  Demand(!process->reaped, "no signal goes to a number that another process may have by now");
  Demand(signal >= 0 && signal <= 64, "a signal has a number");
  if (on_signal) on_signal(*process, signal);
  if (signal == SIGKILL) Exit(process, SIGKILL);
  return 0;
}

pid_t FakeMachine::Wait(pid_t pid, int* status, int options, rusage* usage) {
  FakeProcess* process = Find(pid);
  Demand(!process->reaped, "a process is reaped once");
  if (process->alive) {
    Demand((options & WNOHANG) != 0, "the keeper does not wait for a process that runs");
    return 0;
  }
  process->reaped = true;
  if (status != nullptr) *status = process->status;
  if (usage != nullptr) *usage = {};
  return pid;
}

// --- in place of the system's (the linker's --wrap) ---------------------------------------------

extern "C" {

int __real_kill(pid_t pid, int signal);
pid_t __real_waitpid(pid_t pid, int* status, int options);
pid_t __real_wait4(pid_t pid, int* status, int options, rusage* usage);
int __real_clock_gettime(clockid_t clock, timespec* time);

int __wrap_kill(pid_t pid, int signal) {
  return machine != nullptr ? machine->Kill(pid, signal) : __real_kill(pid, signal);
}

pid_t __wrap_waitpid(pid_t pid, int* status, int options) {
  return machine != nullptr ? machine->Wait(pid, status, options, nullptr)
                            : __real_waitpid(pid, status, options);
}

pid_t __wrap_wait4(pid_t pid, int* status, int options, rusage* usage) {
  return machine != nullptr ? machine->Wait(pid, status, options, usage)
                            : __real_wait4(pid, status, options, usage);
}

int __wrap_clock_gettime(clockid_t clock, timespec* time) {
  if (machine == nullptr || clock != CLOCK_MONOTONIC) return __real_clock_gettime(clock, time);
  *time = {.tv_sec = machine->now_ns / 1'000'000'000, .tv_nsec = machine->now_ns % 1'000'000'000};
  return 0;
}

}  // extern "C"

}  // namespace nacre::keeper
