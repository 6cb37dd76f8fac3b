// The command line, parsed once.
#ifndef NACRE_CLIENT_CLI_ARGUMENTS_H_
#define NACRE_CLIENT_CLI_ARGUMENTS_H_

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "client/cli/verb.h"

namespace nacre::cli {

// There is nothing to run: help or version was printed, or the usage was wrong.
struct Done {
  int exit_status = 0;
};

// A verb, its options parsed.
struct Invocation {
  std::unique_ptr<Verb> verb;
  CommonArguments common;
  std::vector<std::string> command;  // Or paths, as the verb takes them.
};

// Prints help and version on standard output, usage errors on standard error.
std::variant<Done, Invocation> ParseArguments(int argc, char** argv);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_ARGUMENTS_H_
