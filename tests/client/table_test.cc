#include "client/cli/table.h"

#include <gtest/gtest.h>

namespace nacre::cli {
namespace {

TEST(Printable, LeavesTextAlone) {
  for (const char* text : {"", "plain 'text'", "caf\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x90\x9A"}) {
    EXPECT_EQ(Printable(text), text);
  }
}

TEST(Printable, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(Printable("a\nb\tc"), "a\\nb\\tc");
  EXPECT_EQ(Printable("\x1B[2J\x07\x7F\r"), "\\x1b[2J\\x07\\x7f\\x0d");
  EXPECT_EQ(Printable(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(Printable("\xC2\x9B"), "\\xc2\\x9b");           // CSI in one character.
  EXPECT_EQ(Printable("\xE2\x80\xAE"), "\\xe2\\x80\\xae");  // From right to left.
}

TEST(Printable, EscapesWhatIsNoUtf8) {
  EXPECT_EQ(Printable("\xFF\xC3"), "\\xff\\xc3");
  EXPECT_EQ(Printable("\xE2\x82"), "\\xe2\\x82");
  EXPECT_EQ(Printable("\xC0\xAF"), "\\xc0\\xaf");
}

TEST(Shortened, CountsCharacters) {
  EXPECT_EQ(Shortened("\xC3\xA9\xC3\xA9\xC3\xA9", 3), "\xC3\xA9\xC3\xA9\xC3\xA9");
  EXPECT_EQ(Shortened("\xC3\xA9\xC3\xA9\xC3\xA9", 2), "\xC3\xA9\xE2\x80\xA6");
}

TEST(Table, LinesColumnsUp) {
  EXPECT_EQ(Table({{"ID", "NAME", "TAGS"}, {"1", "caf\xC3\xA9!", "x"}, {"1000", "b", ""}}),
            "ID    NAME   TAGS\n"
            "1     caf\xC3\xA9!  x\n"
            "1000  b\n");
}

}  // namespace
}  // namespace nacre::cli
