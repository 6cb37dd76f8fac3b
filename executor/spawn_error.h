#pragma once

#include "absl/status/status.h"
#include "executor/command_spec.h"
#include "nacre/keeper/v1/keeper.pb.h"

namespace nacre {

// What the caller of a command is told when the keeper could not start it.
absl::Status SpawnError(const keeper::v1::SpawnFailed& failure, const std::string& program,
                        const std::string& cwd);

}  // namespace nacre
