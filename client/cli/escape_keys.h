// What a user can tell us while the keys go to a command.
#ifndef NACRE_CLIENT_CLI_ESCAPE_KEYS_H_
#define NACRE_CLIENT_CLI_ESCAPE_KEYS_H_

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace nacre::cli {

enum class EscapeAction {
  kLeave,    // ~.
  kDetach,   // ~d
  kSuspend,  // ~^Z
  kHelp,     // ~?
};

// Finds escapes among typed keys, as ssh(1) has them: the escape character at the start of a line
// and a second one. The escape character twice is typed once, and before any other key it is typed
// as well. A line starts at the beginning, behind CR and LF, and behind an escape. Not thread-safe.
class EscapeKeys {
 public:
  // Keys for the command, never empty, or what to do.
  using Piece = std::variant<std::string, EscapeAction>;

  // Without an escape character all keys are the command's.
  explicit EscapeKeys(std::optional<char> escape) : escape_(escape) {}

  // What was typed next, cut anywhere. An escape character that may begin an escape is held back.
  std::vector<Piece> Take(std::string_view typed);

  // What ~? shows; its lines end as a raw terminal wants them.
  std::string Help() const;

 private:
  const std::optional<char> escape_;
  bool line_start_ = true;
  bool escaping_ = false;  // The escape character is held back.
};

// Reads an escape character as an option gives it, like ssh's -e: one character, ^X for Control-X,
// or "none" for none. Returns false if it is nothing of this.
bool ParseEscape(std::string_view text, std::optional<char>* escape);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_ESCAPE_KEYS_H_
