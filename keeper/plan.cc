#include "keeper/plan.h"

#include <sys/resource.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace nacre::keeper {
namespace {

constexpr uint32_t kMaxUmask = 0777;
constexpr uint32_t kMinOpenFiles = 3;

// Debian's login.defs.
constexpr char kRootPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr char kUserPath[] = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games";
constexpr char kSessionVariable[] = "NACRE_SESSION_ID";

absl::Status CheckString(const std::string& bytes, const char* what) {
  if (bytes.find('\0') == std::string::npos) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat("%s holds a NUL byte", what));
}

std::string NameOf(const std::string& variable) { return variable.substr(0, variable.find('=')); }

absl::StatusOr<std::vector<std::string>> BuildEnvironment(const v1::SpawnRecord& record,
                                                          const User& user,
                                                          const std::string& session_id) {
  std::vector<std::string> env = {
      absl::StrFormat("PATH=%s", user.uid == 0 ? kRootPath : kUserPath),
      absl::StrFormat("HOME=%s", user.home),
      absl::StrFormat("USER=%s", user.name),
      absl::StrFormat("LOGNAME=%s", user.name),
      absl::StrFormat("SHELL=%s", user.shell),
      "LANG=C.UTF-8",
      absl::StrFormat("%s=%s", kSessionVariable, session_id),
  };
  if (!record.terminal().term().empty()) {
    if (absl::Status status = CheckString(record.terminal().term(), "term"); !status.ok()) {
      return status;
    }
    env.push_back(absl::StrCat("TERM=", record.terminal().term()));
  }
  const size_t base = env.size();
  for (const std::string& variable : record.env()) {
    const size_t equals = variable.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return absl::InvalidArgumentError("an environment variable has no name");
    }
    if (absl::Status status = CheckString(variable, "an environment variable"); !status.ok()) {
      return status;
    }
    const std::string name = NameOf(variable);
    if (name == kSessionVariable) continue;
    bool replaced = false;
    for (size_t i = 0; i < base && !replaced; ++i) {
      if (NameOf(env[i]) != name) continue;
      env[i] = variable;
      replaced = true;
    }
    if (!replaced) env.push_back(variable);
  }
  return env;
}

std::vector<std::string> Candidates(const std::string& program,
                                    const std::vector<std::string>& env) {
  if (program.find('/') != std::string::npos) return {program};
  std::vector<std::string> candidates;
  for (const std::string& variable : env) {
    if (NameOf(variable) != "PATH") continue;
    for (absl::string_view directory : absl::StrSplit(variable.substr(5), ':')) {
      // An empty entry is the working directory, as in execvp(3).
      candidates.push_back(absl::StrFormat(
          "%s/%s", directory.empty() ? absl::string_view(".") : directory, program));
    }
  }
  return candidates;
}

}  // namespace

absl::StatusOr<ChildPlan> PlanChild(const v1::SpawnRecord& record, const User& user,
                                    const std::string& session_id) {
  if (record.argv().empty() && !record.user_shell()) {
    return absl::InvalidArgumentError("argv is empty");
  }
  ChildPlan plan;
  for (const std::string& argument : record.argv()) {
    if (absl::Status status = CheckString(argument, "argv"); !status.ok()) return status;
    plan.argv.push_back(argument);
  }
  if (record.user_shell() && plan.argv.empty()) {
    // As login(1) does: what begins so reads its profile.
    plan.argv = {absl::StrCat("-", user.shell.substr(user.shell.rfind('/') + 1))};
    plan.candidates = {user.shell};
  } else if (record.user_shell()) {
    plan.argv.insert(plan.argv.begin(), {user.shell, "-c"});
  }
  auto env = BuildEnvironment(record, user, session_id);
  if (!env.ok()) return env.status();
  plan.env = *std::move(env);
  if (plan.argv[0].empty()) return absl::InvalidArgumentError("argv[0] is empty");
  if (plan.candidates.empty()) plan.candidates = Candidates(plan.argv[0], plan.env);
  if (absl::Status status = CheckString(record.cwd(), "cwd"); !status.ok()) return status;
  if (!record.cwd().empty() && record.cwd()[0] != '/') {
    return absl::InvalidArgumentError("cwd is not absolute");
  }
  if (record.limits().nice() > 19) return absl::InvalidArgumentError("nice is beyond 19");
  plan.nice = static_cast<int>(record.limits().nice());
  if (record.umask() > kMaxUmask) return absl::InvalidArgumentError("umask is beyond 0777");
  if (record.has_umask()) plan.umask = record.umask();
  if (record.limits().open_files() > 0) {
    if (record.limits().open_files() < kMinOpenFiles) {
      return absl::InvalidArgumentError("open_files has no room for the standard streams");
    }
    // What this process may not have itself, nobody gets from it.
    rlimit own;
    getrlimit(RLIMIT_NOFILE, &own);
    const rlim_t bound = std::min<rlim_t>(record.limits().open_files(), own.rlim_max);
    plan.limits.push_back({.resource = RLIMIT_NOFILE, .limit = {bound, bound}});
  }
  if (record.has_terminal()) {
    if (record.terminal().rows() > UINT16_MAX || record.terminal().columns() > UINT16_MAX) {
      return absl::InvalidArgumentError("the terminal is too big");
    }
    plan.terminal = true;
  }
  plan.cwd_optional = record.cwd().empty();
  plan.cwd = plan.cwd_optional ? user.home : record.cwd();
  return plan;
}

}  // namespace nacre::keeper
