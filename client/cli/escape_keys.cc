#include "client/cli/escape_keys.h"

#include "absl/strings/str_cat.h"

namespace nacre::cli {
namespace {

constexpr char kControlZ = '\x1A';
constexpr char kDelete = '\x7F';

bool IsControl(char key) { return static_cast<unsigned char>(key) < 0x20; }

std::optional<EscapeAction> ActionOf(char key) {
  switch (key) {
    case '.':
      return EscapeAction::kLeave;
    case 'd':
      return EscapeAction::kDetach;
    case kControlZ:
      return EscapeAction::kSuspend;
    case '?':
      return EscapeAction::kHelp;
    default:
      return std::nullopt;
  }
}

void Append(char key, std::vector<EscapeKeys::Piece>* pieces) {
  if (pieces->empty() || !std::holds_alternative<std::string>(pieces->back())) {
    pieces->emplace_back(std::string());
  }
  std::get<std::string>(pieces->back()).push_back(key);
}

std::string Visible(char key) {
  if (key == kDelete) return "^?";
  return IsControl(key) ? std::string{'^', static_cast<char>(key | 0x40)} : std::string(1, key);
}

}  // namespace

std::vector<EscapeKeys::Piece> EscapeKeys::Take(std::string_view typed) {
  std::vector<Piece> pieces;
  for (const char key : typed) {
    if (escaping_) {
      escaping_ = false;
      const auto action = key == *escape_ ? std::nullopt : ActionOf(key);
      if (action.has_value()) {
        pieces.emplace_back(*action);
        continue;
      }
      if (key != *escape_) Append(*escape_, &pieces);
    } else if (line_start_ && key == escape_) {
      escaping_ = true;
      continue;
    }
    Append(key, &pieces);
    line_start_ = key == '\r' || key == '\n';
  }
  return pieces;
}

std::string EscapeKeys::Help() const {
  const std::string escape = escape_.has_value() ? Visible(*escape_) : "";
  return absl::StrCat("\r\nAt the start of a line:\r\n",                  //
                      "  ", escape, ".   leave\r\n",                      //
                      "  ", escape, "d   leave the command running\r\n",  //
                      "  ", escape, "^Z  suspend nacre\r\n",              //
                      "  ", escape, "?   this help\r\n",                  //
                      "  ", escape, escape, "   type the escape character\r\n");
}

bool ParseEscape(std::string_view text, std::optional<char>* escape) {
  if (text == "none") {
    escape->reset();
  } else if (text.size() == 1) {
    *escape = text[0];
  } else if (text == "^?") {
    *escape = kDelete;
  } else if (text.size() == 2 && text[0] == '^' && text[1] >= '@' && text[1] <= '~') {
    *escape = static_cast<char>(text[1] & 0x1F);
  } else {
    return false;
  }
  return true;
}

}  // namespace nacre::cli
