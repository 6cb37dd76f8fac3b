#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/log.h"
#include "config/node_config.h"
#include "keeper/keeper.h"

// What a configuration means on this machine: its users, groups, files and addresses. One way for
// the start, for SIGHUP and for a check alone.
namespace nacre::keeper {

// INVALID_ARGUMENT: there is no such level.
absl::StatusOr<log::Level> ToLevel(const std::string& name);

// All but `reload`. An error names the key or option that is wrong, and why.
absl::StatusOr<KeeperOptions> ToOptions(const NodeConfig& config);

// The keys in which these differ, of those that only the start reads.
std::vector<std::string> NeedRestart(const NodeConfig& started, const NodeConfig& now);

}  // namespace nacre::keeper
