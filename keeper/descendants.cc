#include "keeper/descendants.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/unique_fd.h"

namespace nacre::keeper {
namespace {

// More than any session has a right to; a bound on one look.
constexpr size_t kMaxFound = 100'000;
// The variable is among the first that the keeper gives.
constexpr size_t kMaxEnvironment = 64 * 1024;

std::string Read(const std::string& path, size_t most) {
  std::string text;
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char buffer[16384];
  ssize_t got;
  while (file.valid() && text.size() < most &&
         (got = read(file.get(), buffer, sizeof(buffer))) > 0) {
    text.append(buffer, static_cast<size_t>(got));
  }
  return text;
}

std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::vector<pid_t> children;
  std::error_code error;
  for (const auto& thread :
       std::filesystem::directory_iterator(absl::StrFormat("/proc/%d/task", pid), error)) {
    const std::string text = Read(thread.path() / "children", 16 * kMaxFound);
    for (absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
      int child;
      if (absl::SimpleAtoi(word, &child)) children.push_back(child);
    }
  }
  return children;
}

// proc(5): what follows "PID (NAME) " in stat, from the state on.
std::vector<std::string> Stat(pid_t pid) {
  const std::string text = Read(absl::StrFormat("/proc/%d/stat", pid), 4096);
  const size_t end = text.rfind(") ");
  if (end == std::string::npos) return {};
  return absl::StrSplit(absl::string_view(text).substr(end + 2), ' ');
}

enum StatField : size_t { kState = 0, kSession = 3 };

bool IsZombie(const std::vector<std::string>& stat) {
  return stat.empty() || stat[kState] == "Z" || stat[kState] == "X";
}

// Whether an orphan stems from the session.
bool StemsFrom(pid_t pid, pid_t leader, const std::string& variable) {
  const std::vector<std::string> stat = Stat(pid);
  if (IsZombie(stat)) return false;
  int session;
  if (stat.size() > kSession && absl::SimpleAtoi(stat[kSession], &session) && session == leader) {
    return true;
  }
  const std::string environment = Read(absl::StrFormat("/proc/%d/environ", pid), kMaxEnvironment);
  for (absl::string_view one : absl::StrSplit(environment, '\0')) {
    if (one == variable) return true;
  }
  return false;
}

void AddTree(pid_t root, std::set<pid_t>* found) {
  std::vector<pid_t> open = {root};
  while (!open.empty() && found->size() < kMaxFound) {
    const pid_t pid = open.back();
    open.pop_back();
    if (!found->insert(pid).second) continue;
    for (const pid_t child : ChildrenOf(pid)) open.push_back(child);
  }
}

}  // namespace

std::vector<pid_t> Children() { return ChildrenOf(getpid()); }

std::vector<pid_t> FindDescendants(pid_t leader, const std::string& session_id,
                                   const std::function<bool(pid_t)>& is_known) {
  std::set<pid_t> found;
  AddTree(leader, &found);
  const std::string variable = "NACRE_SESSION_ID=" + session_id;
  for (const pid_t child : Children()) {
    if (is_known(child) || found.contains(child)) continue;
    if (StemsFrom(child, leader, variable)) AddTree(child, &found);
  }
  std::vector<pid_t> alive;
  for (const pid_t pid : found) {
    if (!IsZombie(Stat(pid))) alive.push_back(pid);
  }
  return alive;
}

}  // namespace nacre::keeper
