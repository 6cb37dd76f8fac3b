#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "keeper/spawner.h"
#include "keeper/users.h"
#include "nacre/keeper/v1/keeper.pb.h"

namespace nacre::keeper {

// What the child of `record` will do, run as `user`, for a session called `session_id`: clean
// environment plus TERM and additions, candidates from the final PATH, working directory.
// INVALID_ARGUMENT names what breaks a rule of the protocol.
absl::StatusOr<ChildPlan> PlanChild(const v1::SpawnRecord& record, const User& user,
                                    const std::string& session_id);

}  // namespace nacre::keeper
