#pragma once

#include <cstddef>
#include <string_view>

namespace nacre::keeper {

// What became of a script, summed up: whether it got where it was meant to.
struct Played {
  size_t acts = 0;
  // Those that were datagrams for the keeper to decode.
  size_t datagrams = 0;
  // Fronts and commands that were started, sessions that ended, archived ones that a front was
  // handed.
  size_t fronts = 0, commands = 0, ended = 0, archived = 0;
};

// Plays a script (script.h) on a keeper of its own and on fake processes, to the keeper's own end.
// A rule that is broken ends the program. Leaves nothing behind, so it plays the same way each
// time. One thread only.
Played PlayScript(std::string_view bytes);

}  // namespace nacre::keeper
