#include "keeper/users.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "absl/strings/str_format.h"
#include "base/log.h"

namespace nacre::keeper {
namespace {

constexpr size_t kMaxShownName = 256;
constexpr uid_t kNobodyAtAll = static_cast<uid_t>(-1);  // "leave it as it is" to setresuid(2)

absl::StatusOr<User> FromEntry(const passwd* entry, const std::string& what) {
  if (entry == nullptr) {
    if (errno == 0 || errno == ENOENT || errno == ESRCH) {
      return absl::NotFoundError(what + " does not exist on this machine");
    }
    return absl::UnavailableError(absl::StrFormat("%s: %s", what, strerror(errno)));
  }
  if (entry->pw_uid == kNobodyAtAll || entry->pw_gid == kNobodyAtAll) {
    return absl::InvalidArgumentError(what + " has an id that means nobody");
  }
  User user{.uid = entry->pw_uid,
            .gid = entry->pw_gid,
            .groups = {},
            .name = entry->pw_name,
            .home = entry->pw_dir,
            .shell = entry->pw_shell[0] != '\0' ? entry->pw_shell : "/bin/sh"};
  int count = 64;
  user.groups.resize(static_cast<size_t>(count));
  while (getgrouplist(user.name.c_str(), user.gid, user.groups.data(), &count) < 0) {
    user.groups.resize(std::max(static_cast<size_t>(count), 2 * user.groups.size()));
    count = static_cast<int>(user.groups.size());
  }
  user.groups.resize(static_cast<size_t>(count));
  return user;
}

std::set<gid_t> Sorted(const std::vector<gid_t>& groups) { return {groups.begin(), groups.end()}; }

// Of this process. Whether the first one is among them is up to the system.
std::set<gid_t> CurrentGroups() {
  std::vector<gid_t> groups(static_cast<size_t>(std::max(0, getgroups(0, nullptr))));
  groups.resize(
      static_cast<size_t>(std::max(0, getgroups(static_cast<int>(groups.size()), groups.data()))));
  std::set<gid_t> all = Sorted(groups);
  all.insert(getgid());
  return all;
}

}  // namespace

absl::StatusOr<User> User::Named(const std::string& name) {
  errno = 0;
  return FromEntry(getpwnam(name.c_str()), absl::StrFormat("user \"%s\"", name));
}

absl::StatusOr<User> User::Current() {
  errno = 0;
  return FromEntry(getpwuid(getuid()), absl::StrFormat("user id %d", getuid()));
}

absl::StatusOr<Users> Users::Load(const std::vector<std::string>& allowed) {
  auto own = User::Current();
  if (!own.ok()) return own.status();
  Users users;
  users.own_ = *std::move(own);
  users.own_has_other_groups_ = users.own_.uid == 0 && CurrentGroups() != Sorted(users.own_.groups);
  if (allowed.empty()) users.allowed_ = {users.own_};
  for (const std::string& name : allowed) {
    auto user = User::Named(name);
    if (!user.ok()) {
      log::Warning("run_as: %s; nothing runs as it", std::string(user.status().message()));
      continue;
    }
    if (users.own_.uid != 0 && user->uid != users.own_.uid) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "run_as: \"%s\": only a daemon that root started can run commands as others", name));
    }
    users.allowed_.push_back(*std::move(user));
  }
  return users;
}

absl::StatusOr<User> Users::Find(const std::string& name) const {
  const std::string& wanted = name.empty() ? own_.name : name;
  const auto it = std::find_if(allowed_.begin(), allowed_.end(),
                               [&](const User& user) { return user.name == wanted; });
  if (it != allowed_.end()) return *it;
  // A front may ask for anything; what it is told has to fit into a datagram.
  return absl::PermissionDeniedError(
      absl::StrFormat("nothing may run as \"%s\" here: it is not in the node's run_as",
                      wanted.size() <= kMaxShownName ? wanted : "(a name that is too long)"));
}

}  // namespace nacre::keeper
