// nacre ping
#ifndef NACRE_CLIENT_CLI_PING_H_
#define NACRE_CLIENT_CLI_PING_H_

#include "client/cli/arguments.h"

namespace nacre::cli {

// Prints the round trip time of a node that serves. Returns our exit status.
int RunPing(const PingArguments& arguments);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_PING_H_
