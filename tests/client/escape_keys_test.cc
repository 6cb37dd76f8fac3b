#include "client/cli/escape_keys.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace nacre::cli {
namespace {

// Actions as <.>, <d>, <z> and <?> between the keys.
std::string Text(const std::vector<EscapeKeys::Piece>& pieces) {
  std::string text;
  for (const EscapeKeys::Piece& piece : pieces) {
    if (const auto* keys = std::get_if<std::string>(&piece)) {
      EXPECT_FALSE(keys->empty());
      text += *keys;
      continue;
    }
    switch (std::get<EscapeAction>(piece)) {
      case EscapeAction::kLeave:
        text += "<.>";
        break;
      case EscapeAction::kDetach:
        text += "<d>";
        break;
      case EscapeAction::kSuspend:
        text += "<z>";
        break;
      case EscapeAction::kHelp:
        text += "<?>";
        break;
    }
  }
  return text;
}

std::string Typed(std::string_view keys, std::optional<char> escape = '~') {
  return Text(EscapeKeys(escape).Take(keys));
}

TEST(EscapeKeys, ActAtTheStartOfALine) {
  EXPECT_EQ(Typed("~."), "<.>");
  EXPECT_EQ(Typed("ls\r~d"), "ls\r<d>");
  EXPECT_EQ(Typed("ls\n~\x1A"), "ls\n<z>");
  EXPECT_EQ(Typed("\r\r~?"), "\r\r<?>");
}

TEST(EscapeKeys, AreKeysElsewhere) {
  EXPECT_EQ(Typed("cd ~."), "cd ~.");
  EXPECT_EQ(Typed(" ~."), " ~.");
  EXPECT_EQ(Typed("x\r x~d"), "x\r x~d");
}

TEST(EscapeKeys, TheEscapeCharacterTwiceIsTypedOnce) {
  EXPECT_EQ(Typed("~~"), "~");
  EXPECT_EQ(Typed("~~."), "~.");
  EXPECT_EQ(Typed("~~\r~~/x"), "~\r~/x");
}

TEST(EscapeKeys, WhatIsNoEscapeIsTypedWhole) {
  EXPECT_EQ(Typed("~/bin\r"), "~/bin\r");
  EXPECT_EQ(Typed("~x~."), "~x~.");
  EXPECT_EQ(Typed("~\r~."), "~\r<.>");
}

TEST(EscapeKeys, AnEscapeMayFollowAnEscape) { EXPECT_EQ(Typed("~?~?~d"), "<?><?><d>"); }

TEST(EscapeKeys, KeysBehindAnActionAreNotLost) { EXPECT_EQ(Typed("a\r~?b~.c"), "a\r<?>b~.c"); }

TEST(EscapeKeys, TheCharacterIsTheUsersChoice) {
  EXPECT_EQ(Typed("~.\r\x1D.", '\x1D'), "~.\r<.>");
  EXPECT_EQ(Typed("\x1D\x1D", '\x1D'), "\x1D");
  EXPECT_EQ(Typed("dd\rd.", 'd'), "d\r<.>");  // Twice, even if it would name an action.
  EXPECT_EQ(Typed("~.\r~d\r", std::nullopt), "~.\r~d\r");
}

TEST(EscapeKeys, TheSameHoweverTheKeysCome) {
  const std::string_view keys = "~?ls ~.\r~~\n~x\r~\r~d~\x1A\r~~~.\n\n~.";
  const std::string whole = Typed(keys);
  for (size_t one = 0; one <= keys.size(); ++one) {
    for (size_t two = one; two <= keys.size(); ++two) {
      EscapeKeys escapes('~');
      std::string text = Text(escapes.Take(keys.substr(0, one)));
      text += Text(escapes.Take(keys.substr(one, two - one)));
      text += Text(escapes.Take(keys.substr(two)));
      ASSERT_EQ(text, whole) << "cut at " << one << " and " << two;
    }
  }
}

TEST(EscapeKeys, HelpNamesTheCharacterInUse) {
  EXPECT_NE(EscapeKeys('~').Help().find("  ~.   leave\r\n"), std::string::npos);
  EXPECT_NE(EscapeKeys('\x1D').Help().find("  ^]d "), std::string::npos);
}

TEST(ParseEscape, TakesWhatSshTakes) {
  std::optional<char> escape;
  EXPECT_TRUE(ParseEscape("%", &escape));
  EXPECT_EQ(escape, '%');
  EXPECT_TRUE(ParseEscape("^P", &escape));
  EXPECT_EQ(escape, '\x10');
  EXPECT_TRUE(ParseEscape("^?", &escape));
  EXPECT_EQ(escape, '\x7F');
  EXPECT_TRUE(ParseEscape("^]", &escape));
  EXPECT_EQ(escape, '\x1D');
  EXPECT_TRUE(ParseEscape("^", &escape));
  EXPECT_EQ(escape, '^');
  EXPECT_TRUE(ParseEscape("none", &escape));
  EXPECT_EQ(escape, std::nullopt);
  for (const char* text : {"", "ab", "^1", "^PP", "None"}) {
    EXPECT_FALSE(ParseEscape(text, &escape)) << text;
  }
}

}  // namespace
}  // namespace nacre::cli
