#include "keeper/cgroups.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/clock.h"
#include "base/log.h"

namespace nacre::keeper {
namespace {

// How long what an earlier keeper has left may take to die.
constexpr int64_t kSweepNs = 2'000'000'000;
// A fork under way escapes a look at who is inside; it can't go on for ever.
constexpr int kSignalRounds = 8;

absl::Status Write(const std::string& path, absl::string_view text) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.valid() && write(file.get(), text.data(), text.size()) >= 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, path);
}

// A file of the kernel's; empty when it can't be read.
std::string Read(const std::string& path) {
  std::string text;
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char buffer[4096];
  ssize_t got;
  while (file.valid() && (got = read(file.get(), buffer, sizeof(buffer))) > 0) {
    text.append(buffer, static_cast<size_t>(got));
  }
  return text;
}

// The number behind `key` in a file of "KEY NUMBER" lines.
int64_t ReadKey(const std::string& path, absl::string_view key) {
  const std::string text = Read(path);
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    int64_t value;
    if (absl::ConsumePrefix(&line, key) && absl::ConsumePrefix(&line, " ") &&
        absl::SimpleAtoi(line, &value)) {
      return value;
    }
  }
  return 0;
}

// Where cgroup v2 is mounted, and which part of it: mountinfo's "… ROOT MOUNTPOINT … - cgroup2 …".
absl::StatusOr<std::pair<std::string, std::string>> FindMount() {
  const std::string mounts = Read("/proc/self/mountinfo");
  for (absl::string_view line : absl::StrSplit(mounts, '\n')) {
    if (!absl::StrContains(line, " - cgroup2 ")) continue;
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    if (fields.size() > 5) return std::pair(fields[3], fields[4]);
  }
  return absl::NotFoundError("cgroup v2 is not mounted");
}

// Directory of this process's own cgroup.
absl::StatusOr<std::string> OwnCgroup() {
  auto mount = FindMount();
  if (!mount.ok()) return mount.status();
  const std::string cgroups = Read("/proc/self/cgroup");
  for (absl::string_view line : absl::StrSplit(cgroups, '\n')) {
    if (!absl::ConsumePrefix(&line, "0::")) continue;
    if (mount->first != "/" && !absl::ConsumePrefix(&line, mount->first)) break;
    return mount->second + (line == "/" ? "" : std::string(line));
  }
  return absl::NotFoundError("this process's cgroup is outside the mounted part of cgroup v2");
}

// Whether the cgroup is this node's to divide: the whole tree, marked as delegated
// (systemd.resource-control(5), "Delegate="), or given to a user who is not root.
absl::Status CheckDelegated(const std::string& path) {
  if (access((path + "/cgroup.procs").c_str(), W_OK) != 0 || access(path.c_str(), W_OK) != 0) {
    return absl::ErrnoToStatus(errno, path);
  }
  if (geteuid() != 0) return absl::OkStatus();
  // The root of the tree has no such file.
  if (access((path + "/cgroup.type").c_str(), F_OK) != 0) return absl::OkStatus();
  char value = '0';
  for (const char* name : {"trusted.delegate", "user.delegate"}) {
    if (getxattr(path.c_str(), name, &value, 1) == 1 && value == '1') return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrFormat(
      "%s is not delegated to this daemon (in a systemd unit: Delegate=yes)", path));
}

bool Populated(const std::string& path) { return ReadKey(path + "/cgroup.events", "populated"); }

// Removes a cgroup and those in it; they are empty.
void RemoveTree(const std::string& path) {
  std::error_code error;
  std::vector<std::string> inner;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.is_directory(error)) inner.push_back(entry.path());
  }
  for (const std::string& child : inner) RemoveTree(child);
  rmdir(path.c_str());
}

// Kills all that is in a cgroup, and removes it.
absl::Status Sweep(const std::string& path) {
  if (access(path.c_str(), F_OK) != 0) return absl::OkStatus();
  const int64_t deadline = MonotonicNs() + kSweepNs;
  do {
    if (absl::Status status = Write(path + "/cgroup.kill", "1"); !status.ok()) return status;
    if (!Populated(path)) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  } while (MonotonicNs() < deadline);
  RemoveTree(path);
  if (access(path.c_str(), F_OK) != 0) return absl::OkStatus();
  return absl::UnavailableError(path + " holds processes that don't die");
}

std::vector<pid_t> ProcessesIn(const std::string& path) {
  std::vector<pid_t> pids;
  const std::string text = Read(path + "/cgroup.procs");
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    int pid;
    if (absl::SimpleAtoi(line, &pid) && pid > 0) pids.push_back(pid);
  }
  return pids;
}

// By what it is: its path may be another directory's elsewhere in a tree that containers share.
std::string NameFor(const std::string& state_dir) {
  struct stat info = {};
  stat(state_dir.c_str(), &info);
  const uint64_t identity[] = {info.st_dev, info.st_ino};
  return absl::StrFormat("nacre-%016x", XXH3_64bits(identity, sizeof(identity)));
}

}  // namespace

Cgroup::~Cgroup() {
  if (rmdir(path_.c_str()) != 0 && errno == EBUSY) leftovers_->push_back(path_);
}

absl::StatusOr<UniqueFd> Cgroup::Open() const {
  UniqueFd fd(open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, path_);
  return fd;
}

void Cgroup::Signal(int number) const {
  if (number == SIGKILL && Write(path_ + "/cgroup.kill", "1").ok()) return;
  std::set<pid_t> told;
  for (int round = 0; round < kSignalRounds; ++round) {
    bool more = false;
    for (const pid_t pid : ProcessesIn(path_)) {
      if (!told.insert(pid).second) continue;
      kill(pid, number);
      more = true;
    }
    if (!more) return;
  }
}

int64_t Cgroup::CpuNs() const { return ReadKey(path_ + "/cpu.stat", "usage_usec") * 1000; }

std::vector<pid_t> Cgroup::Processes() const { return ProcessesIn(path_); }

bool Cgroup::OutOfMemory() const { return ReadKey(path_ + "/memory.events", "oom_kill") > 0; }

absl::StatusOr<std::unique_ptr<Cgroups>> Cgroups::Open(const std::string& base,
                                                       const std::string& state_dir) {
  absl::StatusOr<std::string> own = base;
  if (base.empty()) own = OwnCgroup();
  if (!own.ok()) return own.status();
  if (base.empty()) {
    if (absl::Status status = CheckDelegated(*own); !status.ok()) return status;
  }
  const std::string path = absl::StrCat(*own, "/", NameFor(state_dir));
  if (absl::Status status = Sweep(path); !status.ok()) return status;
  if (mkdir(path.c_str(), 0755) != 0) return absl::ErrnoToStatus(errno, path);
  std::unique_ptr<Cgroups> cgroups(new Cgroups(path));
  if (access((path + "/cgroup.kill").c_str(), W_OK) != 0) {
    return absl::FailedPreconditionError(path + " has no cgroup.kill (Linux 5.14)");
  }
  cgroups->DivideControllers(*own);
  return cgroups;
}

// A cgroup that hands controllers on holds no processes itself, so ours go into one beside the
// sessions'. Where that can't be, there are no limits, and the rest works.
void Cgroups::DivideControllers(const std::string& base) {
  const std::string available = Read(base + "/cgroup.controllers");
  std::vector<std::string> wanted;
  for (absl::string_view name : absl::StrSplit(absl::StripAsciiWhitespace(available), ' ')) {
    if (name == "memory" || name == "pids") wanted.push_back(absl::StrCat("+", name));
  }
  if (wanted.empty()) return;
  const std::string all = absl::StrJoin(wanted, " ");
  const std::string daemon = path_ + "/daemon";
  absl::Status status;
  if (mkdir(daemon.c_str(), 0755) != 0) status = absl::ErrnoToStatus(errno, daemon);
  if (status.ok()) status = Write(daemon + "/cgroup.procs", "0");
  if (status.ok()) status = Write(base + "/cgroup.subtree_control", all);
  if (status.ok()) status = Write(path_ + "/cgroup.subtree_control", all);
  if (!status.ok()) {
    log::Warning("no limits by cgroup: %s", std::string(status.message()));
    return;
  }
  has_memory_ = absl::StrContains(all, "memory");
  has_pids_ = absl::StrContains(all, "pids");
}

Cgroups::~Cgroups() {
  // This process may be in its own part: then the whole can't be killed.
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
    if (entry.is_directory(error) && entry.path().filename() != "daemon") {
      const absl::Status status = Sweep(entry.path());
      if (!status.ok()) log::Warning("%s", std::string(status.message()));
    }
  }
  Write(std::filesystem::path(path_).parent_path() / "cgroup.procs", "0").IgnoreError();
  RemoveTree(path_);
}

absl::StatusOr<std::unique_ptr<Cgroup>> Cgroups::Create(uint64_t session,
                                                        const CgroupLimits& limits) {
  if (limits.memory_bytes > 0 && !has_memory_) {
    return absl::UnimplementedError("memory_bytes: no memory controller is delegated to this node");
  }
  if (limits.processes > 0 && !has_pids_) {
    return absl::UnimplementedError("processes: no pids controller is delegated to this node");
  }
  const std::string path = absl::StrFormat("%s/s%d", path_, session);
  if (mkdir(path.c_str(), 0755) != 0) return absl::ErrnoToStatus(errno, path);
  auto cgroup = std::make_unique<Cgroup>(path, &leftovers_);
  absl::Status status;
  if (limits.memory_bytes > 0) {
    status.Update(Write(path + "/memory.max", absl::StrCat(limits.memory_bytes)));
    // Memory that went to swap would only be slower; where there is no swap, there is no such file.
    Write(path + "/memory.swap.max", "0").IgnoreError();
    status.Update(Write(path + "/memory.oom.group", "1"));
  }
  if (limits.processes > 0) {
    status.Update(Write(path + "/pids.max", absl::StrCat(limits.processes)));
  }
  if (!status.ok()) return status;
  return cgroup;
}

void Cgroups::Tidy() {
  std::erase_if(leftovers_,
                [](const std::string& path) { return rmdir(path.c_str()) == 0 || errno != EBUSY; });
}

}  // namespace nacre::keeper
