#include "client/command.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nacre::client {
namespace {

TEST(IsUtf8, AcceptsWellFormedText) {
  for (const char* text : {"", "ascii", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x90\x9A",
                           "\xED\x9F\xBF", "\xEE\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
  }
}

TEST(IsUtf8, RefusesOverlongTruncatedSurrogateAndTooLarge) {
  for (const char* text :
       {"\x80", "\xC0\xAF", "\xC1\xBF", "\xC3", "a\xE2\x82", "\xE0\x80\x80", "\xED\xA0\x80",
        "\xF0\x80\x80\x80", "\xF0\x9F\x90", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    EXPECT_FALSE(IsUtf8(text)) << testing::PrintToString(text);
  }
}

TEST(ToStart, SendsNamesThatAreNotUtf8AsBytes) {
  Command command;
  command.argv = {"ls", "\xFF"};
  command.env = {{"PLAIN", "x"}, {"ODD", "\xFF"}};
  command.cwd = "/\xFF";
  const auto start = ToStart(command);
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_EQ(start->command().argv_size(), 0);
  ASSERT_EQ(start->command().argv_bytes_size(), 2);
  EXPECT_EQ(start->command().argv_bytes(1), "\xFF");
  EXPECT_EQ(start->command().env().at("PLAIN"), "x");
  ASSERT_EQ(start->command().env_bytes_size(), 1);
  EXPECT_EQ(start->command().env_bytes(0).name(), "ODD");
  EXPECT_EQ(start->command().cwd_bytes(), "/\xFF");
}

TEST(ToStart, SendsEveryPart) {
  Command command;
  command.shell_line = "exit 1";
  command.cwd = "/tmp";
  command.input = true;
  command.merge_stderr = true;
  command.timeout = absl::Milliseconds(1500);
  command.ladder = {.first_signal = 2, .grace = absl::Milliseconds(250), .last_signal = 6};
  command.on_disconnect = OnDisconnect::kKill;
  command.disconnect_grace = absl::Seconds(3);
  command.overflow = Overflow::kBlock;
  command.retention_bytes = 1 << 20;
  command.retention = absl::ZeroDuration();
  command.tags = {{"job", "42"}};
  command.request_id = "once";
  const auto start = ToStart(command);
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_EQ(start->policies().disconnect_grace().seconds(), 3);
  EXPECT_EQ(start->policies().overflow(), v1::OVERFLOW_POLICY_BLOCK);
  EXPECT_EQ(start->policies().retention_bytes(), 1U << 20);
  EXPECT_TRUE(start->policies().has_retention());
  EXPECT_EQ(start->policies().retention().seconds(), 0);
  EXPECT_EQ(start->tags().at("job"), "42");
  EXPECT_EQ(start->request_id(), "once");
  EXPECT_EQ(start->command().shell_line().line(), "exit 1");
  EXPECT_EQ(start->command().cwd(), "/tmp");
  EXPECT_EQ(start->command().input(), v1::INPUT_MODE_STREAM);
  EXPECT_EQ(start->command().stderr_mode(), v1::STDERR_MODE_MERGED);
  EXPECT_EQ(start->command().timeout().seconds(), 1);
  EXPECT_EQ(start->command().timeout().nanos(), 500'000'000);
  EXPECT_EQ(start->policies().on_disconnect(), v1::ON_DISCONNECT_KILL);
  EXPECT_EQ(start->policies().kill_ladder().first_signal(), 2U);
  EXPECT_EQ(start->policies().kill_ladder().grace().nanos(), 250'000'000);
  EXPECT_EQ(start->policies().kill_ladder().last_signal(), 6U);
}

TEST(ToStart, LeavesToTheNodeWhatIsNotGiven) {
  Command command;
  command.argv = {"true"};
  const auto start = ToStart(command);
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_EQ(start->policies().on_disconnect(), v1::ON_DISCONNECT_UNSPECIFIED);
  EXPECT_FALSE(start->policies().has_disconnect_grace());
  EXPECT_FALSE(start->policies().has_retention());
  EXPECT_EQ(start->request_id(), "");
}

TEST(ToStart, SendsALineThatIsNotUtf8AsAShellsArguments) {
  Command command;
  command.shell_line = "echo \xFF";
  const auto start = ToStart(command);
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_FALSE(start->command().has_shell_line());
  const auto& words = start->command().argv_bytes();
  EXPECT_EQ(std::vector<std::string>(words.begin(), words.end()),
            (std::vector<std::string>{"/bin/sh", "-c", "echo \xFF"}));
}

TEST(ToStart, RefusesWhatHasNoWireForm) {
  Command neither;
  EXPECT_TRUE(absl::IsInvalidArgument(ToStart(neither).status()));
  Command both;
  both.argv = {"true"};
  both.shell_line = "true";
  EXPECT_TRUE(absl::IsInvalidArgument(ToStart(both).status()));
  Command odd_tag;
  odd_tag.argv = {"true"};
  odd_tag.tags = {{"job", "\xFF"}};
  EXPECT_TRUE(absl::IsInvalidArgument(ToStart(odd_tag).status()));
}

}  // namespace
}  // namespace nacre::client
