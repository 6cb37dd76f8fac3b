#include "client/cli/terminal_use.h"

#include <unistd.h>

#include <cstdlib>

#include "client/cli/escape_keys.h"
#include "client/cli/window_size.h"

namespace nacre::cli {

bool OnTerminal() { return ::isatty(STDIN_FILENO) != 0; }

client::Terminal LikeOurs() {
  const char* term = std::getenv("TERM");
  const WindowSize size = OurWindowSize();
  return {.term = term != nullptr ? term : "", .rows = size.rows, .columns = size.columns};
}

void AddEscape(CLI::App* app, std::optional<char>* escape) {
  app->add_option_function<std::string>(
         "--escape-char", [escape](const std::string& text) { (void)ParseEscape(text, escape); },
         "What ~?, ~. and ~d begin with; default: ~")
      ->type_name("CHAR|none")
      ->check(CLI::Validator(
          [](const std::string& text) {
            std::optional<char> unused;
            return ParseEscape(text, &unused)
                       ? ""
                       : "\"" + text + "\" is not a character, ^ and a letter, or none";
          },
          ""));
}

}  // namespace nacre::cli
