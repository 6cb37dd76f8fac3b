#pragma once

#include <string>
#include <vector>

#include "nacre/keeper/v1/keeper.pb.h"
#include "nacre/v1/node.pb.h"

namespace nacre {

// What GetNode tells that doesn't change while this process lives. `dialects`: those of the
// listeners for older clients, in their order. Reads a file: at the start, not on the loop.
v1::Node GatherNodeFacts(const keeper::v1::Welcome& welcome, const std::string& version,
                         const std::vector<std::string>& dialects);

}  // namespace nacre
