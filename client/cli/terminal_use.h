// Our terminal in the service of a command that has one of its own.
#ifndef NACRE_CLIENT_CLI_TERMINAL_USE_H_
#define NACRE_CLIENT_CLI_TERMINAL_USE_H_

#include <CLI/CLI.hpp>
#include <optional>

#include "nacre/client.h"

namespace nacre::cli {

// What an escape begins with unless told otherwise.
inline constexpr char kEscape = '~';

// Whether our standard input is a terminal.
bool OnTerminal();

// A terminal like ours: $TERM and the size.
client::Terminal LikeOurs();

// --escape-char
void AddEscape(CLI::App* app, std::optional<char>* escape);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_TERMINAL_USE_H_
