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
// connection is lost. When 64 KiB wait for the command, the terminal waits, and with it escapes
// that are typed behind. Ends as InputPump does.
class KeyPump {
 public:
  using Act = std::function<void(EscapeAction)>;

  // Told on the reading thread: `act` of escapes, `gone` when there is no terminal any more.
  KeyPump(std::shared_ptr<client::Process> process, EscapeKeys keys, Act act,
          std::function<void()> gone);
};

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_KEY_PUMP_H_
