// The options of verbs that start a command.
#ifndef NACRE_CLIENT_CLI_COMMAND_OPTIONS_H_
#define NACRE_CLIENT_CLI_COMMAND_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "nacre/client.h"

namespace nacre::cli {

// What exec and start can both be told about a command.
class CommandOptions {
 public:
  void AddTo(CLI::App* app);

  // -c, of verbs whose words may be a line for a shell.
  void AddShell(CLI::App* app);

  // The command with these options.
  client::Command ToCommand(const std::vector<std::string>& words) const;

  // For what only one of the two has.
  client::Command& command() { return command_; }

 private:
  void AddLimits(CLI::App* app);

  client::Command command_;
  std::optional<absl::Duration> timeout_, cpu_time_;
  std::optional<uint64_t> processes_, open_files_, nice_;
  bool shell_ = false;
};

// CLI11 doesn't know of the command.
void ShowCommandInUsage(CLI::App* app);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_COMMAND_OPTIONS_H_
