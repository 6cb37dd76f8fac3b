// Raw mode of our terminal, and the way back from it.
#ifndef NACRE_CLIENT_CLI_RAW_TERMINAL_H_
#define NACRE_CLIENT_CLI_RAW_TERMINAL_H_

#include <termios.h>

#include <memory>

#include "absl/status/statusor.h"

namespace nacre::cli {

// Raw mode for a terminal with these settings: every key comes at once, as it was typed, without
// echo and without meaning, and output goes out as it is. As cfmakeraw(3) has it, and as OpenSSH's
// enter_raw_mode() has it where they differ: the line's own size and parity of characters stay,
// what arrives broken is dropped, no flow control by us.
termios RawSettings(termios settings);

// Our terminal in raw mode, as long as this lives. At most one at a time.
//
// The terminal is put back on every way out: by the destructor, by exit(), by Restore() before an
// _exit(), by a signal that kills us (those that have a name; none that was ignored, and not
// SIGKILL), and while SIGTSTP stops us; SIGCONT makes it raw again. So kill(getpid(), SIGTSTP) is
// all it takes to suspend ourselves. In the background we leave it alone: it belongs to somebody
// else then, who has settings of his own.
//
// Signal handlers are process-wide; a thread that blocks these signals and takes them by
// sigwaitinfo(2), as SignalForwarder does, is undisturbed.
class RawTerminal {
 public:
  // Waits for the foreground, as everything that changes a terminal. The error is that of
  // tcgetattr(3) or tcsetattr(3), e.g. for no terminal. `fd` must outlive the object.
  static absl::StatusOr<std::unique_ptr<RawTerminal>> Enter(int fd);

  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  ~RawTerminal();

  // Puts the terminal back; for good. Does nothing without a raw terminal. Any thread and any
  // signal handler may call it at any time.
  static void Restore();

 private:
  RawTerminal() = default;
};

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_RAW_TERMINAL_H_
