// How to stop following a command before its end.
#ifndef NACRE_CLIENT_CLI_STOP_H_
#define NACRE_CLIENT_CLI_STOP_H_

#include "nacre/client.h"

namespace nacre::cli {

// Process::Cancel for who started the command, Process::Detach for who merely came to it.
using Stop = absl::Status (client::Process::*)();

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_STOP_H_
