#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace nacre::keeper {

// A user of this machine, looked up once: name services may block, and the keeper never does.
struct User {
  uid_t uid;
  gid_t gid;
  // All of them, `gid` included.
  std::vector<gid_t> groups;
  std::string name, home, shell;

  // NOT_FOUND: there is none of that name. UNAVAILABLE: it can't be told.
  static absl::StatusOr<User> Named(const std::string& name);
  // The user of this process.
  static absl::StatusOr<User> Current();
};

// Whom commands may run as, whatever a front says. Value.
class Users {
 public:
  // Looks up this process's user and the `allowed` ones; none: this process's user alone. Only root
  // may allow others (INVALID_ARGUMENT). One who does not exist is left out, with a line in the
  // log.
  static absl::StatusOr<Users> Load(const std::vector<std::string>& allowed);

  const User& own() const { return own_; }
  // This process is root's, and has other groups than its user: who started it has handed them on.
  bool own_has_other_groups() const { return own_has_other_groups_; }
  const std::vector<User>& allowed() const { return allowed_; }
  // The user of that name; empty: this process's own. PERMISSION_DENIED unless it is allowed.
  absl::StatusOr<User> Find(const std::string& name) const;

 private:
  User own_;
  bool own_has_other_groups_ = false;
  std::vector<User> allowed_;
};

}  // namespace nacre::keeper
