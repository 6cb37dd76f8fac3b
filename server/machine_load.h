#pragma once

#include <cstdint>
#include <string_view>

#include "nacre/v1/node.pb.h"

namespace nacre {

// Sets what the kernel says of the whole machine: load averages, processors, memory. Reads two
// small files of it, which takes some 50 µs and never waits; what can't be read is left out.
void ReadMachineLoad(v1::NodeLoad* load);

// Bytes of the line `name` in the text of /proc/meminfo; 0: there is none.
uint64_t MeminfoBytes(std::string_view meminfo, std::string_view name);

}  // namespace nacre
