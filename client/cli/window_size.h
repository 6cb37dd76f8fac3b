// How large our terminal is.
#ifndef NACRE_CLIENT_CLI_WINDOW_SIZE_H_
#define NACRE_CLIENT_CLI_WINDOW_SIZE_H_

#include <cstdint>

namespace nacre::cli {

// In characters.
struct WindowSize {
  uint16_t rows = 24;
  uint16_t columns = 80;
};

// What the terminal `fd` says of itself; else, each of the two by itself, what $LINES and $COLUMNS
// say; else that of a VT100. A change is told by SIGWINCH: see SignalForwarder.
WindowSize ReadWindowSize(int fd);

// That of our terminal: the first of our standard streams that is one.
WindowSize OurWindowSize();

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_WINDOW_SIZE_H_
