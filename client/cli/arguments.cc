#include "client/cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <utility>

#include "client/cli/exit_status.h"
#include "client/cli/options.h"
#include "client/cli/verbs.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Examples:
  nacre exec uname -a
  nacre exec -e LANG=C -w /tmp -- ls -l
  nacre cp -r src :/tmp
  id=$(nacre start -- make -j4); nacre logs -f $id; nacre wait $id
  nacre -H unix:/run/nacre/nacred.sock ping

The node is -H, else $NACRE_HOST, else the one of this machine:
unix:$XDG_RUNTIME_DIR/nacre/nacred.sock or, for root and without that variable,
unix:/run/nacre/nacred.sock.
'nacre exec --help' tells the exit status of exec, attach and wait; other verbs exit with 0, 1 on
failure, 2 on wrong usage.)";

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

// Takes the command behind the verb at `verb` away from `words`, so that CLI11 never sees it: it
// would take some commands for verbs ("nacre exec ping") and keep "--" among the arguments.
std::vector<std::string> TakeCommand(const CLI::App& app, std::vector<std::string>* words,
                                     size_t verb) {
  const size_t first = FirstWord(app, *words, verb + 1);
  const auto cut = words->begin() + static_cast<std::ptrdiff_t>(first);
  std::vector<std::string> command(cut, words->end());
  words->erase(cut, words->end());
  if (!command.empty() && command.front() == "--") command.erase(command.begin());
  return command;
}

// Takes the paths behind the verb at `verb` away from `words`, for a file may be called anything:
// CLI11 would take "rm" for a verb, "++" for an end, and "[a]" for a list.
std::vector<std::string> TakePaths(const CLI::App& app, std::vector<std::string>* words,
                                   size_t verb) {
  std::vector<std::string> paths;
  const auto path = [&] { return words->begin() + static_cast<std::ptrdiff_t>(verb); };
  for (;;) {
    verb = FirstWord(app, *words, verb + 1);
    if (verb == words->size()) return paths;
    if (*path() == "--") break;
    paths.push_back(std::move(*path()));
    words->erase(path());
    --verb;
  }
  paths.insert(paths.end(), path() + 1, words->end());
  words->erase(path(), words->end());
  return paths;
}

Done UsageError(const std::string& message, const std::string& program) {
  std::cerr << "nacre: " << message << "\nTry '" << program << " --help'.\n";
  return Done{kExitUsage};
}

}  // namespace

std::variant<Done, Invocation> ParseArguments(int argc, char** argv) {
  Invocation invocation;
  std::vector<std::unique_ptr<Verb>> verbs = MakeVerbs();  // The app's options are bound to them.
  CLI::App app("Runs commands where nacred serves.", "nacre");
  app.footer(kExamples);
  app.set_version_flag("--version", "nacre " NACRE_VERSION, "Print the version");
  app.require_subcommand(1);
  AddHost(&app, &invocation.common);

  std::vector<std::string> words(argv + 1, argv + argc);
  const size_t at = FirstWord(app, words, 0);
  std::string program = "nacre";
  for (std::unique_ptr<Verb>& verb : verbs) {
    const CLI::App* subcommand = verb->AddTo(app, &invocation.common);
    if (at == words.size() || !subcommand->check_name(words[at])) continue;
    program += " " + words[at];
    if (verb->TakesCommand()) invocation.command = TakeCommand(*subcommand, &words, at);
    if (verb->TakesPaths()) invocation.command = TakePaths(*subcommand, &words, at);
    invocation.verb = std::move(verb);
  }
  if (at < words.size() && invocation.verb == nullptr) {
    return UsageError("\"" + words[at] + "\" is not a verb of nacre", program);
  }
  std::reverse(words.begin(), words.end());  // As CLI11 wants a vector.
  try {
    app.parse(words);  // Eats the words.
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return Done{app.exit(error)};
    return UsageError(error.what(), program);
  }
  if (invocation.verb->TakesCommand() && invocation.command.empty()) {
    return UsageError("there is no command to run", program);
  }
  return invocation;
}

}  // namespace nacre::cli
