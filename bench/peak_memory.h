#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

// The most resident memory that processes have had, by /proc.
namespace nacre::bench {

// Bytes; 0: it can't be seen.
uint64_t PeakMemory(pid_t pid);
// From now on only what comes counts, where the system lets us.
void ForgetPeakMemory(pid_t pid);
// The children of `parent` that run `program`.
std::vector<pid_t> ChildrenThatRun(pid_t parent, const std::string& program);

// Looks at one process every few milliseconds, until it is stopped: after its end nothing is to be
// seen. What wait4 tells would not do, since it counts the memory of whoever called posix_spawn.
class PeakMemoryWatch {
 public:
  explicit PeakMemoryWatch(pid_t pid);
  PeakMemoryWatch(const PeakMemoryWatch&) = delete;
  PeakMemoryWatch& operator=(const PeakMemoryWatch&) = delete;
  ~PeakMemoryWatch() { Stop(); }

  // What was seen at most. Before the process is reaped: its number may be another's afterwards.
  uint64_t Stop();

 private:
  std::atomic<bool> stop_ = false;
  uint64_t peak_ = 0;  // The thread's until it has ended.
  std::thread thread_;
};

}  // namespace nacre::bench
