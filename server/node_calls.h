#pragma once

#include "absl/status/status.h"
#include "executor/executor.h"
#include "nacre/v1/node.pb.h"

// The calls about the node itself, for the loop.
namespace nacre {

// `facts` and what changes: sessions, draining, the machine's name.
absl::Status GetNode(const Executor& executor, const v1::Node& facts,
                     v1::GetNodeResponse* response);

}  // namespace nacre
