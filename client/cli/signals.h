// Names of signals.
#ifndef NACRE_CLIENT_CLI_SIGNALS_H_
#define NACRE_CLIENT_CLI_SIGNALS_H_

#include <optional>
#include <string>

namespace nacre::cli {

// A number from 1 to SIGRTMAX, or a name with or without SIG, in any case.
std::optional<int> ParseSignal(const std::string& text);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_SIGNALS_H_
