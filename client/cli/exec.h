// nacre exec
#ifndef NACRE_CLIENT_CLI_EXEC_H_
#define NACRE_CLIENT_CLI_EXEC_H_

#include "client/cli/arguments.h"

namespace nacre::cli {

// Runs a command as if it were ours: its output, its input, its signals. Returns our exit status.
// Threads may be left behind: the process must end next, by _Exit.
int RunExec(const ExecArguments& arguments);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_EXEC_H_
