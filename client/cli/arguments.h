// The command line, parsed once.
#ifndef NACRE_CLIENT_CLI_ARGUMENTS_H_
#define NACRE_CLIENT_CLI_ARGUMENTS_H_

#include <string>
#include <variant>
#include <vector>

#include "nacre/client.h"

namespace nacre::cli {

// What every verb takes.
struct CommonArguments {
  std::string host;   // Empty: the default target.
  int verbosity = 0;  // 1: -v; 2: -vv, gRPC's own log as well.
};

struct ExecArguments {
  CommonArguments common;
  client::Command command;
};

struct PingArguments {
  CommonArguments common;
};

// There is nothing to run: help or version was printed, or the usage was wrong.
struct Done {
  int exit_status = 0;
};

// Prints help and version on standard output, usage errors on standard error.
std::variant<Done, ExecArguments, PingArguments> ParseArguments(int argc, char** argv);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_ARGUMENTS_H_
