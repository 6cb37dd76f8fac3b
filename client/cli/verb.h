// What nacre can be told to do.
#ifndef NACRE_CLIENT_CLI_VERB_H_
#define NACRE_CLIENT_CLI_VERB_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace nacre::cli {

// What every verb takes.
struct CommonArguments {
  std::string host;   // Empty: the default target.
  int verbosity = 0;  // 1: -v; 2: -vv, gRPC's own log as well.
};

// One verb: its options and what it does. Its class lives in a file of its own; verbs.h lists all.
class Verb {
 public:
  virtual ~Verb() = default;

  // Adds the subcommand with its options, which are bound to this object and to `common`.
  virtual CLI::App* AddTo(CLI::App& app, CommonArguments* common) = 0;

  // Whether everything from the first word that is no option on is a command of the user's.
  virtual bool TakesCommand() const { return false; }

  // Whether every word that is no option is a path, wherever it stands; behind "--" every word.
  virtual bool TakesPaths() const { return false; }

  // Does it. `words` are the command's, not empty, if it takes one; or the paths. Returns our exit
  // status.
  virtual int Run(const CommonArguments& common, const std::vector<std::string>& words) = 0;
};

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_VERB_H_
