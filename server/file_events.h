#pragma once

#include <string_view>
#include <vector>

#include "nacre/v1/file.pb.h"

namespace nacre {

// What a read of inotify(7) says, in order. Pure functions.
struct FileEvents {
  std::vector<v1::WatchFileResponse> events;
  // What was watched is there no more.
  bool over = false;
};

// `bytes` may be whatever: what is no event ends it.
FileEvents ToFileEvents(std::string_view bytes);

}  // namespace nacre
