#include "client/cli/terminal_filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

namespace nacre::cli {
namespace {

using namespace std::string_literals;

std::string Filtered(const std::vector<std::string_view>& pieces) {
  TerminalFilter filter;
  std::string text;
  for (const std::string_view piece : pieces) text += filter.Filter(piece);
  text += filter.Finish();
  return text;
}

std::string Filtered(std::string_view data) { return Filtered(std::vector{data}); }

// What is wrong with what a terminal is given; empty: nothing. By other means than the filter's.
std::string Danger(const std::string& text) {
  static const std::regex kHarmless("\x1B\\[(?:[0-9;]*[A-HJKSTdf]|[0-9;:]*m|[su]|\\?25[hl])");
  static const std::regex kUtf8(
      "[\xC2-\xDF][\x80-\xBF]|\xE0[\xA0-\xBF][\x80-\xBF]|[\xE1-\xEC\xEE\xEF][\x80-\xBF]{2}|"
      "\xED[\x80-\x9F][\x80-\xBF]|\xF0[\x90-\xBF][\x80-\xBF]{2}|[\xF1-\xF3][\x80-\xBF]{3}|"
      "\xF4[\x80-\x8F][\x80-\xBF]{2}");
  constexpr auto kHere = std::regex_constants::match_continuous;
  for (auto at = text.begin(); at != text.end();) {
    const auto byte = static_cast<unsigned char>(*at);
    std::smatch match;
    if (byte == 0x1B) {
      if (!std::regex_search(at, text.end(), match, kHarmless, kHere)) return "a sequence";
      at = match[0].second;
    } else if (byte >= 0x80 && std::regex_search(at, text.end(), match, kUtf8, kHere)) {
      if (match.str() >= "\xC2\x80" && match.str() <= "\xC2\x9F") return "C1 in UTF-8";
      at = match[0].second;
    } else if (byte >= 0x80 && byte < 0xA0) {
      return "C1";
    } else if (byte == 0x7F || (byte < 0x20 && "\a\b\t\n\v\f\r"s.find(*at) == std::string::npos)) {
      return "C0";
    } else {
      ++at;
    }
  }
  return "";
}

TEST(TerminalFilter, PassesTextInAnyLanguage) {
  for (const std::string& text : {"plain\r\n\tand\b\a\v\f"s, "naïve Grüße 中文 🐚"s,
                                  "\u00A0\uFFFD\U0010FFFF"s, "\xE9t\xE9 in Latin-1"s, ""s}) {
    EXPECT_EQ(Filtered(text), text);
  }
}

TEST(TerminalFilter, PassesColoursAndMotion) {
  for (const char* sequence : {"\x1B[m",
                               "\x1B[0m",
                               "\x1B[1;31m",
                               "\x1B[38;2;255;255;255;48;2;255;255;255m",
                               "\x1B[38:2::1:2:3m",
                               "\x1B[4:3m",
                               "\x1B[H",
                               "\x1B[12;40H",
                               "\x1B[12;40f",
                               "\x1B[5A",
                               "\x1B[B",
                               "\x1B[C",
                               "\x1B[D",
                               "\x1B[E",
                               "\x1B[F",
                               "\x1B[1G",
                               "\x1B[d",
                               "\x1B[2J",
                               "\x1B[K",
                               "\x1B[3S",
                               "\x1B[3T",
                               "\x1B[s",
                               "\x1B[u",
                               "\x1B[?25l",
                               "\x1B[?25h"}) {
    EXPECT_EQ(Filtered(sequence), sequence);
  }
}

TEST(TerminalFilter, ShowsControlStrings) {
  EXPECT_EQ(Filtered("a\x1B]52;c;aGk=\a"), "a^[]52;c;aGk=^G");
  EXPECT_EQ(Filtered("\x1B]0;title\x1B\\b"), "^[]0;title^[\\b");
  EXPECT_EQ(Filtered("\x1B]8;;http://x\x1B\\link\x1B]8;;\x1B\\"),
            "^[]8;;http://x^[\\link^[]8;;^[\\");
  EXPECT_EQ(Filtered("\x1BP$qm\x1B\\"), "^[P$qm^[\\");  // DECRQSS
  EXPECT_EQ(Filtered("\x1B_G\x1B\\\x1B^p\x1B\\\x1BXs\x1B\\"), "^[_G^[\\^[^p^[\\^[Xs^[\\");
}

TEST(TerminalFilter, ABellRingsBehindAControlString) {
  EXPECT_EQ(Filtered("\x1B]0;t\a\a"), "^[]0;t^G\a");
  EXPECT_EQ(Filtered("\x1B]0;t\x1B\\\a"), "^[]0;t^[\\\a");
}

TEST(TerminalFilter, ShowsQueriesModesAndResets) {
  for (const std::string sequence :
       {"[6n",  "[5n",    "[?6n",       "[c",    "[0c",    "[>c",     "[=c",     "[>q",     "[>0q",
        "[x",   "[21t",   "[18t",       "[?1$p", "[14;2t", "[?1049h", "[?1000h", "[?2004h", "[4h",
        "[20l", "[?5h",   "[?25;1049h", "[!p",   "[1;2r",  "[i",      "[5i",     "[1;2s",   "[?u",
        "[>1u", "[=1;1u", "[1;2;3;4T",  "[>T",   "[>4;1m", "[?4m",    "[?S",     "[ q",     "[1 A",
        "[?J",  "c",      "(0",         ")B",    "%G",     "#8",      "=",       "N",       "n",
        "Z",    "[9999b", "[z",         "[[A"}) {
    EXPECT_EQ(Filtered("\x1B" + sequence), "^[" + sequence);
  }
}

TEST(TerminalFilter, ShowsControlCharacters) {
  EXPECT_EQ(Filtered("\0\x05\x0E\x0F\x18\x1A\x7F"s), "^@^E^N^O^X^Z^?");
  EXPECT_EQ(Filtered("\x1B"), "^[");
  EXPECT_EQ(Filtered("\x1B\x1B[31m\x1B["), "^[\x1B[31m^[[");
}

TEST(TerminalFilter, ShowsEightBitControlsAndTheirUtf8) {
  EXPECT_EQ(Filtered("\x9B\x36n"), "\\x9b6n");
  EXPECT_EQ(Filtered("\x9D\x35\x32;c;x\x9C"), "\\x9d52;c;x\\x9c");
  EXPECT_EQ(Filtered("\xC2\x9B\x36n\u0085"), "\\xc2\\x9b6n\\xc2\\x85");
}

TEST(TerminalFilter, ShowsControlsInMalformedUtf8) {
  EXPECT_EQ(Filtered("\xC0\x9B[6n"), "\xC0\\x9b[6n");            // ESC, overlong.
  EXPECT_EQ(Filtered("\xE0\x82\x9B\x36n"), "\xE0\\x82\\x9b6n");  // CSI, overlong.
  EXPECT_EQ(Filtered("\xED\xA0\x80"), "\xED\xA0\\x80");          // A surrogate.
  EXPECT_EQ(Filtered("\xF4\x90\x80\x80"), "\xF4\\x90\\x80\\x80");
  EXPECT_EQ(Filtered("\xE4\xB8\x1B[6n"), "\xE4\xB8^[[6n");
  EXPECT_EQ(Filtered("\xE4\xB8"), "\\xe4\\xb8");
}

TEST(TerminalFilter, AControlCharacterBreaksASequenceOff) {
  EXPECT_EQ(Filtered("\x1B[3\x1B[31m"), "^[[3\x1B[31m");
  EXPECT_EQ(Filtered("\x1B[3\n1m"), "^[[3\n1m");
  EXPECT_EQ(Filtered("\x1B[3\xC3\xBC"), "^[[3ü");
  EXPECT_EQ(Filtered("\x1B[3\x18"), "^[[3^X");
}

TEST(TerminalFilter, HoldsNoMoreThanTheLongestSequence) {
  constexpr size_t kLongest = TerminalFilter::kLongestSequence;
  const std::string longest = "\x1B[" + std::string(kLongest - 3, '1') + "m";
  EXPECT_EQ(Filtered(longest), longest);
  const std::string longer = "[" + std::string(kLongest - 2, '1') + "m";
  EXPECT_EQ(Filtered("\x1B" + longer), "^[" + longer);

  TerminalFilter filter;
  EXPECT_EQ(filter.Filter("\x1B["), "");
  size_t given = 2;
  size_t shown = 0;
  for (; given < 1'000'000; given += 1000) shown += filter.Filter(std::string(1000, '1')).size();
  EXPECT_GE(shown, given - kLongest);
}

TEST(TerminalFilter, PassesPlainTextUncopied) {
  TerminalFilter filter;
  const std::string text = "some text\n";
  EXPECT_EQ(filter.Filter(text).data(), text.data());
}

TEST(TerminalFilter, HoldsBackOnlyWhatMayGoOn) {
  TerminalFilter filter;
  EXPECT_EQ(filter.Filter("text\x1B[3"), "text");
  EXPECT_EQ(filter.Filter("1"), "");
  EXPECT_EQ(filter.Filter("mred\xE4"), "\x1B[31mred");
  EXPECT_EQ(filter.Filter("\xB8\xAD!"), "中!");
  EXPECT_EQ(filter.Finish(), "");
}

TEST(TerminalFilter, TheSameHoweverTheOutputIsCut) {
  const std::string corpus =
      "text\x1B[1;31mred\x1B[0m\r\n\x1B]52;c;aGk=\a\a\x1B]0;t\x1B\\\x1B[6n\x1B[?1049h\x1B[?25l"
      "\x1B\x1B[31m\x1B[3\x1B[K\x1B[3\n\x1BPq#0\x1B\\中文🐚\xC2\x9B\x36n\x9B\x36n\xE4\xB8x\xF0\x9F"
      "\x90\x1B[A\xC0\x9B\xE0\x82\x9B\xED\xA0\x80\x05\x0E\x7F\x1B"
      "c\x1B(0\x1B[" +
      std::string(100, '1') + "m\0\xF4\x90\x80\x80\xC2\x1B]8;;\xE4"s;
  const std::string whole = Filtered(corpus);
  EXPECT_EQ(Danger(whole), "");
  const std::string_view all = corpus;
  for (size_t one = 0; one <= all.size(); ++one) {
    for (size_t two = one; two <= all.size(); ++two) {
      ASSERT_EQ(Filtered({all.substr(0, one), all.substr(one, two - one), all.substr(two)}), whole)
          << "cut at " << one << " and " << two;
    }
  }
  TerminalFilter filter;
  std::string by_byte;
  for (size_t i = 0; i < all.size(); ++i) by_byte += filter.Filter(all.substr(i, 1));
  by_byte += filter.Finish();
  EXPECT_EQ(by_byte, whole);
}

TEST(TerminalFilter, NoBytesGetADangerousSequenceThrough) {
  // Half of them from what sequences are made of, else few would be any.
  const std::string nasty =
      "\x1B\x1B\x1B[[[]P_^X\\;:?>=!$ 0123456789mnchlqtuHJKT\a\xC2\x9B\xE0\xC0\n";
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string data(300, '\0');
    std::generate(data.begin(), data.end(), [&] {
      return static_cast<char>(random() % 2 == 0 ? random() : nasty[random() % nasty.size()]);
    });
    const size_t cut = random() % data.size();
    const std::string_view all = data;
    const std::string whole = Filtered(data);
    ASSERT_EQ(Danger(whole), "") << testing::PrintToString(data);
    ASSERT_EQ(Filtered({all.substr(0, cut), all.substr(cut)}), whole);
  }
}

TEST(TerminalFilter, TheTestSeesDanger) {
  for (const char* text : {"\x1B", "\x1B]0;", "\x1B[6n", "\x1B[?1049h", "\x05", "\x7F", "\x9B",
                           "\xC2\x9B", "\xC0\x9B"}) {
    EXPECT_NE(Danger(text), "");
  }
}

}  // namespace
}  // namespace nacre::cli
