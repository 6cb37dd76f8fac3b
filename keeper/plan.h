#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "keeper/spawner.h"
#include "nacre/keeper/v1/keeper.pb.h"

namespace nacre::keeper {

// The user whom commands run as, looked up once: name services may block, and the keeper never
// does.
struct User {
  // The user of this process.
  static absl::StatusOr<User> Current();

  uint32_t uid;
  std::string name, home, shell;
};

// What the child of `record` will do, for a session called `session_id`: clean environment plus
// additions, candidates from the final PATH, working directory. INVALID_ARGUMENT names what breaks
// a rule of the protocol.
absl::StatusOr<ChildPlan> PlanChild(const v1::SpawnRecord& record, const User& user,
                                    const std::string& session_id);

}  // namespace nacre::keeper
