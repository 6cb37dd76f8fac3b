#include "client/cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "client/cli/exit_status.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Examples:
  nacre exec uname -a
  nacre exec -e LANG=C -w /tmp -- ls -l
  tar c src | nacre exec -i -- tar x -C /tmp
  nacre -H unix:/run/nacre/nacred.sock ping

The node is -H, else $NACRE_HOST, else the one of this machine:
unix:$XDG_RUNTIME_DIR/nacre/nacred.sock or unix:/run/nacre/nacred.sock.
'nacre exec --help' tells the exit status of exec; other verbs exit with 0, 1 on failure, 2 on wrong
usage.)";

constexpr char kExecExamples[] = R"(
Everything from the first word that is no option belongs to the command.

Examples:
  nacre exec ls -l
  nacre exec --timeout 1.5m -- sh -c 'make; echo done'
  nacre exec -i -- sort < names
  nacre exec -v -- head -c 1G /dev/zero | wc -c

Ctrl-C reaches the command; the third one ends it (SIGTERM, 5 s, SIGKILL), the fifth gives up.

Exit status: the command's own; 128+N if signal N killed it; 124 if its timeout passed; 126 if it can't
be executed, 127 if there is no such program; 125 if Nacre or the network failed; 141 if nobody reads
our output any more; 2 if the usage was wrong.)";

constexpr char kPingExamples[] = R"(
Examples:
  nacre ping
  nacre -H 127.0.0.1:7070 ping)";

// As the options leave them, before they are a client::Command.
struct Parsed {
  CommonArguments common;
  bool input = false;
  std::vector<std::string> env;
  std::string cwd;
  std::string timeout;
};

// CLI11 doesn't know of the command.
class ExecFormatter : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* /*app*/, std::string /*name*/) const override {
    return "Usage: nacre exec [OPTIONS] [--] COMMAND [ARGUMENT...]\n";
  }
};

std::string CheckEnvironment(const std::string& text) {
  const size_t equals = text.find('=');
  return equals == std::string::npos || equals == 0 ? "\"" + text + "\" is not NAME=VALUE" : "";
}

std::string CheckDuration(const std::string& text) {
  absl::Duration duration;
  const bool valid = absl::ParseDuration(text, &duration) && duration >= absl::Milliseconds(1) &&
                     duration < absl::InfiniteDuration();
  return valid ? "" : "\"" + text + "\" is not a duration such as 500ms, 1s, 1.5m or 2h";
}

void AddCommonOptions(CLI::App* app, CommonArguments* common) {
  app->add_option("-H,--host", common->host, "Node to talk to: unix:PATH or HOST:PORT")
      ->type_name("NODE");
}

void AddVerbosity(CLI::App* app, CommonArguments* common, const std::string& help) {
  app->add_flag("-v,--verbose", common->verbosity, help + "; twice: gRPC's own log as well");
}

CLI::App* AddExec(CLI::App* app, Parsed* parsed) {
  CLI::App* exec = app->add_subcommand("exec", "Run a command and follow it to its end");
  exec->formatter(std::make_shared<ExecFormatter>());
  exec->footer(kExecExamples);
  AddCommonOptions(exec, &parsed->common);
  exec->add_flag("-i,--input", parsed->input, "Pass our standard input to the command");
  exec->add_option("-e,--env", parsed->env, "Add a variable to its environment; repeatable")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->check(CheckEnvironment);
  exec->add_option("-w,--cwd", parsed->cwd, "Its working directory; default: the user's home")
      ->type_name("DIR");
  exec->add_option("--timeout", parsed->timeout, "End it after this long, e.g. 500ms, 1s, 1.5m, 2h")
      ->type_name("DURATION")
      ->check(CheckDuration);
  AddVerbosity(exec, &parsed->common, "Say on standard error how it ended");
  return exec;
}

CLI::App* AddPing(CLI::App* app, Parsed* parsed) {
  CLI::App* ping = app->add_subcommand("ping", "Ask the node whether it serves");
  ping->footer(kPingExamples);
  AddCommonOptions(ping, &parsed->common);
  AddVerbosity(ping, &parsed->common, "Say how long connecting took");
  return ping;
}

// Whether the option in `word` takes the next word as its value.
bool TakesNextWord(const CLI::App& app, const std::string& word) {
  const auto takes_value = [&app](const std::string& name) {
    const CLI::Option* option = app.get_option_no_throw(name);
    return option != nullptr && option->get_items_expected_min() > 0;
  };
  if (word.starts_with("--")) return takes_value(word);  // Never for --name=value.
  for (size_t i = 1; i < word.size(); ++i) {
    if (takes_value(std::string("-") + word[i])) return i + 1 == word.size();
  }
  return false;
}

// Index, from `from` on, of the first word that is neither an option of `app` nor an option's
// value.
size_t FirstWord(const CLI::App& app, const std::vector<std::string>& words, size_t from) {
  size_t i = from;
  while (i < words.size() && words[i].size() > 1 && words[i][0] == '-' && words[i] != "--") {
    i += TakesNextWord(app, words[i]) ? 2 : 1;
  }
  return std::min(i, words.size());
}

// The verb, if there is one and it is not ours.
std::string UnknownVerb(const CLI::App& app, const std::vector<std::string>& words) {
  const size_t verb = FirstWord(app, words, 0);
  if (verb == words.size()) return "";
  const auto has_this_name = [&](const CLI::App* one) { return one->check_name(words[verb]); };
  return app.get_subcommands(has_this_name).empty() ? words[verb] : "";
}

// Takes the command away from `words`, so that CLI11 never sees it: it would take some commands for
// verbs ("nacre exec ping") and keep "--" among the arguments.
std::vector<std::string> TakeCommand(const CLI::App& app, const CLI::App& exec,
                                     std::vector<std::string>* words) {
  const size_t verb = FirstWord(app, *words, 0);
  if (verb == words->size() || (*words)[verb] != exec.get_name()) return {};
  const size_t first = FirstWord(exec, *words, verb + 1);
  const auto cut = words->begin() + static_cast<std::ptrdiff_t>(first);
  std::vector<std::string> command(cut, words->end());
  words->erase(cut, words->end());
  if (!command.empty() && command.front() == "--") command.erase(command.begin());
  return command;
}

ExecArguments ToExec(const Parsed& parsed, std::vector<std::string> argv) {
  ExecArguments exec{.common = parsed.common};
  exec.command.argv = std::move(argv);
  exec.command.cwd = parsed.cwd;
  exec.command.input = parsed.input;
  for (const std::string& pair : parsed.env) {
    const size_t equals = pair.find('=');
    exec.command.env[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  if (!parsed.timeout.empty()) absl::ParseDuration(parsed.timeout, &exec.command.timeout);
  return exec;
}

Done UsageError(const std::string& message, const std::string& help) {
  std::cerr << "nacre: " << message << "\nTry '" << help << "'.\n";
  return Done{kExitUsage};
}

}  // namespace

std::variant<Done, ExecArguments, PingArguments> ParseArguments(int argc, char** argv) {
  Parsed parsed;
  CLI::App app("Runs commands where nacred serves.", "nacre");
  app.footer(kExamples);
  app.set_version_flag("--version", "nacre " NACRE_VERSION, "Print the version");
  app.require_subcommand(1);
  AddCommonOptions(&app, &parsed.common);
  CLI::App* exec = AddExec(&app, &parsed);
  CLI::App* ping = AddPing(&app, &parsed);

  std::vector<std::string> words(argv + 1, argv + argc);
  if (const std::string verb = UnknownVerb(app, words); !verb.empty()) {
    return UsageError("\"" + verb + "\" is not a verb of nacre", "nacre --help");
  }
  std::vector<std::string> command = TakeCommand(app, *exec, &words);
  std::reverse(words.begin(), words.end());  // As CLI11 wants a vector.
  try {
    app.parse(words);  // Eats the words.
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return Done{app.exit(error)};
    return UsageError(error.what(), exec->parsed()   ? "nacre exec --help"
                                    : ping->parsed() ? "nacre ping --help"
                                                     : "nacre --help");
  }
  if (ping->parsed()) return PingArguments{.common = parsed.common};
  if (command.empty()) return UsageError("there is no command to run", "nacre exec --help");
  return ToExec(parsed, std::move(command));
}

}  // namespace nacre::cli
