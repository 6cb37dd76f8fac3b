#include "executor/command_spec.h"

#include <gtest/gtest.h>

#include <set>

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

TEST(CommandSpecTest, TagsAndRequestIdsOutOfBoundsAreRefusedByName) {
  const auto refused = [](const CommandParts& parts) {
    const auto spec = CommandSpec::Create(parts);
    return spec.ok() ? "accepted" : ErrorField(spec.status()).value_or("?");
  };
  CommandParts valid;
  valid.argv = {"true"};
  for (const std::string& name : {std::string(), std::string("a b"), std::string("a=b"),
                                  std::string("\xc3\xa4"), std::string(64, 'n')}) {
    CommandParts parts = valid;
    parts.tags[name] = "v";
    EXPECT_EQ(refused(parts), "tags") << name;
  }
  CommandParts parts = valid;
  parts.tags["n"] = std::string(256, 'v');
  EXPECT_EQ(refused(parts), "tags");
  parts.tags.clear();
  for (int i = 0; i < 33; ++i) parts.tags["n" + std::to_string(i)] = "";
  EXPECT_EQ(refused(parts), "tags");
  for (const std::string& id :
       {std::string("a b"), std::string("\n"), std::string("\xff"), std::string(129, 'r')}) {
    parts = valid;
    parts.request_id = id;
    EXPECT_EQ(refused(parts), "request_id") << id;
  }
  parts = valid;
  parts.retention.after_end_ns = 8LL * 86400 * 1'000'000'000;
  EXPECT_EQ(refused(parts), "policies.retention");
  parts = valid;
  parts.retention.bytes = 1024 * 1024 + 1;
  EXPECT_EQ(refused(parts), "policies.retention_bytes");
}

TEST(CommandSpecTest, TheFingerprintTellsEveryDifferenceButTheRequestId) {
  const auto fingerprint = [](const CommandParts& parts) {
    return CommandSpec::Create(parts)->Fingerprint();
  };
  CommandParts parts;
  parts.argv = {"a", "b"};
  parts.env = {{"X", "1"}, {"Y", "2"}};
  const std::string first = fingerprint(parts);
  CommandParts same = parts;
  same.request_id = "r";
  std::swap(same.env[0], same.env[1]);
  EXPECT_EQ(fingerprint(same), first);
  std::set<std::string> all = {first};
  const auto add = [&](auto change) {
    CommandParts other = parts;
    change(other);
    all.insert(fingerprint(other));
  };
  add([](CommandParts& other) { other.argv = {"a b"}; });
  add([](CommandParts& other) { other.argv = {"a", "b", ""}; });
  add([](CommandParts& other) { other.cwd = "/"; });
  add([](CommandParts& other) { other.env.pop_back(); });
  add([](CommandParts& other) { other.input = true; });
  add([](CommandParts& other) { other.timeout_ns = 1'000'000; });
  add([](CommandParts& other) { other.tags["t"] = ""; });
  add([](CommandParts& other) { other.on_disconnect.keep = true; });
  add([](CommandParts& other) { other.on_disconnect.grace_ns = 1; });
  add([](CommandParts& other) { other.retention.after_end_ns = 1; });
  add([](CommandParts& other) { other.retention.block_on_overflow = true; });
  EXPECT_EQ(all.size(), 12U);
}

}  // namespace
}  // namespace nacre
