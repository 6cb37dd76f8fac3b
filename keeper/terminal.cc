#include "keeper/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

namespace nacre::keeper {
namespace {

constexpr mode_t kSlaveMode = 0620;

}  // namespace

absl::StatusOr<Terminal> Terminal::Open(WindowSize size, std::optional<uid_t> owner) {
  Terminal terminal;
  terminal.master.reset(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (!terminal.master.valid()) return absl::ErrnoToStatus(errno, "pseudo-terminal");
  const int master = terminal.master.get();
  int locked = 0;
  if (ioctl(master, TIOCSPTLCK, &locked) != 0) return absl::ErrnoToStatus(errno, "TIOCSPTLCK");
  // Not by its name, which another mount of /dev/pts may give to another terminal.
  terminal.slave.reset(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal.slave.valid()) return absl::ErrnoToStatus(errno, "TIOCGPTPEER");
  const int slave = terminal.slave.get();
  if (owner.has_value() && fchown(slave, *owner, static_cast<gid_t>(-1)) != 0) {
    return absl::ErrnoToStatus(errno, "chown of a terminal");
  }
  if (fchmod(slave, kSlaveMode) != 0) return absl::ErrnoToStatus(errno, "chmod of a terminal");
  termios modes;
  if (tcgetattr(slave, &modes) != 0) return absl::ErrnoToStatus(errno, "tcgetattr");
  modes.c_iflag |= IUTF8;  // LANG is C.UTF-8: erasing takes whole characters
  if (tcsetattr(slave, TCSANOW, &modes) != 0) return absl::ErrnoToStatus(errno, "tcsetattr");
  if (absl::Status status = ResizeTerminal(master, size); !status.ok()) return status;
  return terminal;
}

absl::Status ResizeTerminal(int master, WindowSize size) {
  const winsize window = {
      .ws_row = size.rows, .ws_col = size.columns, .ws_xpixel = 0, .ws_ypixel = 0};
  if (ioctl(master, TIOCSWINSZ, &window) != 0) return absl::ErrnoToStatus(errno, "TIOCSWINSZ");
  return absl::OkStatus();
}

EndOfFile EndOfFileOf(int master, char last) {
  termios modes;
  if (tcgetattr(master, &modes) != 0 || modes.c_cc[VEOF] == _POSIX_VDISABLE) return {};
  const char character = static_cast<char>(modes.c_cc[VEOF]);
  const bool ends_a_line =
      last == '\n' || last == character || (last == '\r' && (modes.c_iflag & ICRNL) != 0);
  const bool canonical = (modes.c_lflag & ICANON) != 0;
  return {.character = character, .count = canonical && !ends_a_line ? 2 : 1};
}

}  // namespace nacre::keeper
