#pragma once

#include <map>
#include <string>
#include <vector>

#include "nacre/keeper/v1/keeper.pb.h"
#include "nacre/v1/node.pb.h"

namespace nacre {

// What this process alone knows of the node.
struct NodeFacts {
  std::string version;
  // Of the listeners for older clients, in their order.
  std::vector<std::string> dialects;
  std::map<std::string, std::string> labels;
};

// What GetNode tells that doesn't change while this process lives. Reads a file: at the start, not
// on the loop.
v1::Node GatherNodeFacts(const keeper::v1::Welcome& welcome, const NodeFacts& own);

}  // namespace nacre
