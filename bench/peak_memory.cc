#include "bench/peak_memory.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace nacre::bench {
namespace {

constexpr absl::Duration kWatchInterval = absl::Milliseconds(20);

bool Runs(pid_t pid, const std::string& program) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/comm"));
  std::string name;
  return std::getline(file, name) && name == program;
}

}  // namespace

uint64_t PeakMemory(pid_t pid) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  for (std::string word; status >> word;) {
    uint64_t kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

void ForgetPeakMemory(pid_t pid) {
  std::ofstream(absl::StrCat("/proc/", pid, "/clear_refs")) << "5\n";
}

std::vector<pid_t> ChildrenThatRun(pid_t parent, const std::string& program) {
  std::vector<pid_t> children;
  std::error_code error;
  std::filesystem::directory_iterator thread(absl::StrCat("/proc/", parent, "/task"), error), end;
  for (; !error && thread != end; thread.increment(error)) {
    std::ifstream file(thread->path() / "children");
    for (pid_t child = 0; file >> child;) {
      if (Runs(child, program)) children.push_back(child);
    }
  }
  return children;
}

PeakMemoryWatch::PeakMemoryWatch(pid_t pid)
    : thread_([this, pid] {
        while (!stop_) {
          peak_ = std::max(peak_, PeakMemory(pid));
          absl::SleepFor(kWatchInterval);
        }
      }) {}

uint64_t PeakMemoryWatch::Stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  return peak_;
}

}  // namespace nacre::bench
