// Following a command as if it were ours.
#ifndef NACRE_CLIENT_CLI_FOLLOW_H_
#define NACRE_CLIENT_CLI_FOLLOW_H_

#include <csignal>
#include <memory>
#include <optional>
#include <string>

#include "client/cli/stop.h"
#include "client/cli/terminal_use.h"
#include "nacre/client.h"

namespace nacre::cli {

struct FollowOptions {
  std::string target;  // As messages name it.
  int verbosity = 0;
  bool input = false;  // Whether our standard input goes to the command.
  bool raw = false;    // Whether terminals get its output as it is. If it has one, they do.
  // What an escape begins with while our keys go to a command's terminal; absent: nothing.
  std::optional<char> escape = kEscape;
  Stop stop = &client::Process::Cancel;
  // Signals to pass on, as HoldSignals() returned them. Default: they do to us what they do.
  std::optional<sigset_t> signals;
};

// Follows the command to its end: its output to ours, signals and input to it, what must be told to
// standard error. Returns our exit status: the command's own, or what failed.
int Follow(const std::shared_ptr<client::Process>& process, const FollowOptions& options);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_FOLLOW_H_
