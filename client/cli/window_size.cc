#include "client/cli/window_size.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <limits>

#include "absl/strings/numbers.h"

namespace nacre::cli {
namespace {

// One that is 0 is not known.
uint16_t Known(uint16_t told, const char* variable, uint16_t otherwise) {
  if (told != 0) return told;
  const char* text = std::getenv(variable);
  uint32_t value = 0;
  const bool valid = text != nullptr && absl::SimpleAtoi(text, &value) && value > 0 &&
                     value <= std::numeric_limits<uint16_t>::max();
  return valid ? static_cast<uint16_t>(value) : otherwise;
}

}  // namespace

WindowSize ReadWindowSize(int fd) {
  winsize told{};
  if (::ioctl(fd, TIOCGWINSZ, &told) != 0) told = {};
  constexpr WindowSize kDefault;
  return {.rows = Known(told.ws_row, "LINES", kDefault.rows),
          .columns = Known(told.ws_col, "COLUMNS", kDefault.columns)};
}

WindowSize OurWindowSize() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::isatty(fd) != 0) return ReadWindowSize(fd);
  }
  return ReadWindowSize(STDIN_FILENO);
}

}  // namespace nacre::cli
