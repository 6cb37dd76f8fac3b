#include "executor/audit.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace nacre {
namespace {

CommandSpec Spec(std::vector<std::string> argv) {
  CommandParts parts;
  parts.argv = std::move(argv);
  parts.env = {{"TOKEN", "s3cret"}};
  return *CommandSpec::Create(parts);
}

TEST(AuditTest, AStartSaysWhoRunsWhatWithoutValuesOfTheEnvironment) {
  const std::string line = audit::StartLine(Identity::Local(7), "e-1", Spec({"ls", "-l"}), "ann");
  const auto object = nlohmann::json::parse(line);
  EXPECT_EQ(object["event"], "start");
  EXPECT_EQ(object["identity"], "uid:7");
  EXPECT_EQ(object["user"], "ann");
  EXPECT_EQ(object["argv"], nlohmann::json({"ls", "-l"}));
  EXPECT_EQ(object["env_names"], nlohmann::json({"TOKEN"}));
  EXPECT_EQ(line.find("s3cret"), std::string::npos);
}

TEST(AuditTest, WhatFollowsAnOptionThatNamesASecretIsLeftOut) {
  const std::string line = audit::StartLine(
      Identity::Local(7), "e-1",
      Spec({"tool", "--db-password=hunter2", "--Token", "t0ken", "-v", "password", "--secret"}),
      "ann");
  EXPECT_EQ(nlohmann::json::parse(line)["argv"],
            nlohmann::json({"tool", "--db-password=[redacted]", "--Token", "[redacted]", "-v",
                            "password", "--secret"}));
}

TEST(AuditTest, LinesArePrintableAsciiWhateverTheCommand) {
  const std::string line = audit::StartLine(
      Identity::Local(7), "e-1", Spec({"printf", "\x1b]52;c\x07\n", "\xff\xfe", "ä"}), "ann");
  for (const char byte : line) {
    EXPECT_GE(byte, 0x20);
    EXPECT_LT(byte, 0x7f);
  }
  EXPECT_TRUE(nlohmann::json::accept(line));
}

TEST(AuditTest, LongCommandsAreCutAndSaySo) {
  for (const size_t count : {1u, 100u, 900u}) {
    std::vector<std::string> argv(count, std::string(1000, '\x01'));
    const std::string line = audit::StartLine(Identity::Local(7), "e-1", Spec(argv), "ann");
    EXPECT_LE(line.size(), 16u * 1024);
    EXPECT_NE(line.find("(1000 bytes)"), std::string::npos);
    EXPECT_TRUE(nlohmann::json::accept(line));
  }
}

TEST(AuditTest, WhatIsDoneToTheNodeSaysWhoDidItOrMayNot) {
  const auto done = nlohmann::json::parse(audit::AdminLine(Identity::Local(7), "drain"));
  EXPECT_EQ(done, nlohmann::json({{"event", "drain"}, {"identity", "uid:7"}}));
  const auto denied = nlohmann::json::parse(audit::AdminDeniedLine(
      Identity::Local(7), "undrain", absl::PermissionDeniedError("he may not")));
  EXPECT_EQ(denied, nlohmann::json({{"event", "denied"},
                                    {"identity", "uid:7"},
                                    {"verb", "undrain"},
                                    {"why", "he may not"}}));
}

TEST(AuditTest, ARefusedRequestIsRecordedWithItsDialectAndReason) {
  const auto object = nlohmann::json::parse(
      audit::RefusedLine(Identity::Anonymous("127.0.0.1", "framed"), "the length -1 is negative"));
  EXPECT_EQ(object["event"], "refused");
  EXPECT_EQ(object["identity"], "anonymous@127.0.0.1");
  EXPECT_EQ(object["dialect"], "framed");
  EXPECT_EQ(object["why"], "the length -1 is negative");
}

TEST(AuditTest, ADenialIsRecordedWithItsReason) {
  const auto object = nlohmann::json::parse(audit::DeniedLine(
      Identity::Local(7), Spec({"ls"}), absl::PermissionDeniedError("rule \"owner\" says no")));
  EXPECT_EQ(object["event"], "denied");
  EXPECT_EQ(object["why"], "rule \"owner\" says no");
}

TEST(AuditTest, PathsAreToldExactlyAndFitALineWhateverTheyAre) {
  FileRequest request;
  request.verb = FileVerb::kMove;
  auto* move = request.operation.mutable_move();
  move->mutable_from()->set_path("/tmp/ä b");
  move->mutable_to()->set_path("/\xff");
  auto line = nlohmann::json::parse(audit::FileLine(Identity::Local(7), "e-f1-1", request, "ann"));
  EXPECT_EQ(line["event"], "move_file");
  EXPECT_EQ(line["path"], "/tmp/ä b");
  EXPECT_EQ(line["to_hex"], "2fff");
  for (auto* path : {move->mutable_from(), move->mutable_to()}) {
    path->set_path(std::string(4000, '\x01'));
    path->set_root(std::string(4000, '\x02'));
  }
  const std::string longest = audit::FileLine(Identity::Local(7), "e-f1-1", request, "ann");
  EXPECT_LT(longest.size(), 16u * 1024);
  line = nlohmann::json::parse(longest);
  EXPECT_EQ(line["path_bytes"], 4000);
  EXPECT_EQ(line["path_tail_hex"].get<std::string>().substr(0, 4), "0101");
}

}  // namespace
}  // namespace nacre
