#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace nacre::keeper {

// The processes of a session where no cgroup tells them: its leader's descendants, and of this
// process's own children (it adopts orphans, see prctl(2), PR_SET_CHILD_SUBREAPER) those that stem
// from the session by their POSIX session or by NACRE_SESSION_ID in their first environment, with
// their descendants. `is_known` tells the children that are no orphans. Best effort: who has
// cleared both is not found. Zombies are left out.
std::vector<pid_t> FindDescendants(pid_t leader, const std::string& session_id,
                                   const std::function<bool(pid_t)>& is_known);

// Children of this process, zombies included.
std::vector<pid_t> Children();

}  // namespace nacre::keeper
