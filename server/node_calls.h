#pragma once

#include "absl/status/status.h"
#include "executor/executor.h"
#include "nacre/v1/node.pb.h"

// The calls about the node itself, for the loop.
namespace nacre {

// `facts` and what changes: sessions, draining, load, the machine's name; for `identity`.
// UNAVAILABLE/FRONT_RESTARTING.
absl::Status GetNode(const Executor& executor, const Identity& identity, const v1::Node& facts,
                     v1::Node* node);

}  // namespace nacre
