// The keys of our terminal to the command.
#ifndef NACRE_CLIENT_CLI_KEY_PUMP_H_
#define NACRE_CLIENT_CLI_KEY_PUMP_H_

#include <functional>
#include <memory>

#include "client/cli/escape_keys.h"
#include "nacre/client.h"

namespace nacre::cli {

// Reads the terminal that is our standard input on a thread of its own, and writes what is the
// command's on another: so escapes are obeyed also while the command takes nothing, or the
// connection is lost. Some thousand keys may wait for the command; of more, the terminal rings.
// When the terminal is gone we get SIGHUP. Ends as InputPump does.
class KeyPump {
 public:
  // `act` is told of escapes, on the reading thread.
  KeyPump(std::shared_ptr<client::Process> process, EscapeKeys keys,
          std::function<void(EscapeAction)> act);
};

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_KEY_PUMP_H_
