#include "executor/command_spec.h"

#include <gtest/gtest.h>

#include "executor/errors.h"

namespace nacre {
namespace {

CommandParts Parts() {
  CommandParts parts;
  parts.argv = {"true"};
  return parts;
}

// The field that a refusal names, or what happened instead.
std::string RefusedField(CommandParts parts) {
  const auto spec = CommandSpec::Create(std::move(parts));
  if (spec.ok()) return "accepted";
  if (!absl::IsInvalidArgument(spec.status())) return spec.status().ToString();
  return ErrorField(spec.status()).value_or("no field");
}

TEST(CommandSpecTest, AGoodCommandBecomesTheKeepersRecord) {
  CommandParts parts = Parts();
  parts.argv = {"tool", "", "ä"};
  parts.env = {{"A", "1"}, {"B", ""}};
  parts.cwd = "/srv";
  parts.input = true;
  parts.timeout_ns = 1'000'000;
  auto spec = CommandSpec::Create(parts);
  ASSERT_TRUE(spec.ok()) << spec.status();
  const keeper::v1::SpawnRecord record = spec->ToRecord();
  EXPECT_EQ(record.argv_size(), 3);
  EXPECT_EQ(record.env(0), "A=1");
  EXPECT_EQ(record.env(1), "B=");
  EXPECT_EQ(record.timeout_ns(), 1'000'000u);
  EXPECT_EQ(record.ladder().first_signal(), 15u);
  EXPECT_EQ(record.ladder().grace_ns(), 5'000'000'000u);
  EXPECT_EQ(record.ladder().last_signal(), 9u);
}

TEST(CommandSpecTest, ABadFieldIsRefusedByName) {
  CommandParts parts;
  EXPECT_EQ(RefusedField(parts), "command.argv");
  parts.argv = {""};
  EXPECT_EQ(RefusedField(parts), "command.argv");
  parts.argv = {std::string("a\0b", 3)};
  EXPECT_EQ(RefusedField(parts), "command.argv");
  for (const char* name : {"", "A=B"}) {
    parts = Parts();
    parts.env = {{name, "x"}};
    EXPECT_EQ(RefusedField(parts), "command.env");
  }
  parts = Parts();
  parts.env = {{"A", "1"}, {"A", "2"}};
  EXPECT_EQ(RefusedField(parts), "command.env");
  parts.env = {{"A", std::string("\0", 1)}};
  EXPECT_EQ(RefusedField(parts), "command.env");
  parts = Parts();
  parts.cwd = "relative";
  EXPECT_EQ(RefusedField(parts), "command.cwd");
  parts.cwd = std::string("/\0", 2);
  EXPECT_EQ(RefusedField(parts), "command.cwd");
  parts = Parts();
  parts.timeout_ns = 999'999;
  EXPECT_EQ(RefusedField(parts), "command.timeout");
  parts = Parts();
  parts.ladder.first_signal = 65;
  EXPECT_EQ(RefusedField(parts), "policies.kill_ladder");
  parts = Parts();
  parts.ladder.grace_ns = 3'601'000'000'000;
  EXPECT_EQ(RefusedField(parts), "policies.kill_ladder.grace");
  parts = Parts();
  parts.on_disconnect.grace_ns = -1;
  EXPECT_EQ(RefusedField(parts), "policies.disconnect_grace");
}

TEST(CommandSpecTest, SizesAreBoundedByTheByte) {
  CommandParts parts = Parts();
  parts.argv.push_back(std::string(CommandSpec::kMaxString - 1, 'x'));
  EXPECT_EQ(RefusedField(parts), "accepted");
  parts.argv.back().push_back('x');
  EXPECT_EQ(RefusedField(parts), "command.argv");
  parts = Parts();
  parts.argv.insert(parts.argv.end(), 16, std::string(CommandSpec::kMaxTotal / 16 - 2, 'x'));
  EXPECT_EQ(RefusedField(parts), "accepted");
  parts.argv.push_back(std::string(64, 'x'));
  EXPECT_EQ(RefusedField(parts), "command.argv");
}

}  // namespace
}  // namespace nacre
