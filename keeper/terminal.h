#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace nacre::keeper {

// Size of a terminal in character cells. 0: not known.
struct WindowSize {
  uint16_t rows = 0;
  uint16_t columns = 0;
};

// A pseudo-terminal that belongs to one command: always a new one. Keeper's thread only.
struct Terminal {
  // Ours; does not block. Reads what the command writes, and as EIO once nobody has the other side
  // open; writes what it reads.
  UniqueFd master;
  // The command's standard input, output and error, to be its controlling terminal.
  UniqueFd slave;

  // `owner`: whose it is, if not this process's user's. Mode 0620, as mesg(1) and write(1) expect.
  static absl::StatusOr<Terminal> Open(WindowSize size, std::optional<uid_t> owner);
};

// Who has it as controlling terminal hears of it by SIGWINCH.
absl::Status ResizeTerminal(int master, WindowSize size);

// How often the character that says "end of file" has to be typed so that a reader of the terminal
// reads one, and that character. In canonical mode it only ends a line that has begun, so it takes
// two; a program in another mode gets it as the byte it is. Count 0: the terminal has none. `last`
// was typed last; before anything was, that is a line feed.
struct EndOfFile {
  char character = 0;
  int count = 0;
};
EndOfFile EndOfFileOf(int master, char last);

}  // namespace nacre::keeper
