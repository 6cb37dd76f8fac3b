#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/unique_fd.h"
#include "keeper/spawner.h"

// A machine whose processes exist in name only, so that a keeper can live and die some thousand
// times a second. Channels, pipes, epoll and files are real.
namespace nacre::keeper {

// Ends the program unless `holds`; `rule` says what was broken.
void Demand(bool holds, const char* rule);

// A process as the keeper sees it, played by the test.
struct FakeProcess {
  int pid = -1;
  // Number from NACRE_SESSION_ID; 0: it is a front.
  uint64_t session = 0;
  // Its descriptors 0 to 2. A front has only its channel, as descriptor 0.
  std::array<UniqueFd, 3> ends;
  // Where it reports, until it runs its program.
  UniqueFd report;
  // Makes its pidfd readable.
  UniqueFd exit_event;
  bool alive = true, reaped = false;
  // As in waitpid(2), once it is not alive.
  int status = 0;
  // Bytes written to standard output and standard error.
  std::array<uint64_t, 2> written = {};

  bool is_front() const { return session == 0; }
};

// Who lives on the machine, and its clock. As long as one exists, kill(2), waitpid(2), wait4(2) and
// CLOCK_MONOTONIC are its own in this program (see CMakeLists.txt), so no signal reaches a real
// process. One at a time.
class FakeMachine {
 public:
  FakeMachine();
  FakeMachine(const FakeMachine&) = delete;
  FakeMachine& operator=(const FakeMachine&) = delete;
  ~FakeMachine();

  // Starts nothing but FakeProcesses. The machine has to outlive it.
  std::unique_ptr<Launcher> MakeLauncher(int lanes);

  // Whoever was ever started, in order.
  const std::vector<std::unique_ptr<FakeProcess>>& processes() const { return processes_; }

  // What the process does. It has closed all it had when it exits, unless others hold it open.
  static void Report(FakeProcess* process, ChildReport report);
  static void RunProgram(FakeProcess* process) { process->report.reset(); }
  static void Exit(FakeProcess* process, int status, bool held_open = false);

  // As kill(2) and wait4(2). SIGKILL obeys itself; all else is up to the test.
  int Kill(pid_t pid, int signal);
  pid_t Wait(pid_t pid, int* status, int options, rusage* usage);

  // Stands still but by the test's hand.
  int64_t now_ns = 1'000'000'000;
  // Every start fails, as if there were no memory.
  bool exhausted = false;
  // Is told of each signal before it has an effect.
  std::function<void(const FakeProcess&, int signal)> on_signal;

 private:
  friend class FakeLauncher;

  FakeProcess* Find(pid_t pid);

  std::vector<std::unique_ptr<FakeProcess>> processes_;
};

}  // namespace nacre::keeper
