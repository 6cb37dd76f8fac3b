#include "keeper/audit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_dir.h"

namespace nacre::keeper {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::StartsWith;

std::vector<std::string> Lines(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

TEST(AuditLogTest, LinesAreNumberedAcrossReopening) {
  const TempDir dir;
  const std::string path = dir.path() + "/audit.jsonl";
  {
    auto log = AuditLog::Open(path);
    ASSERT_TRUE(log.ok());
    ASSERT_TRUE((*log)->Append(R"({"event":"a"})").ok());
    ASSERT_TRUE((*log)->Append("{}").ok());
  }
  auto log = AuditLog::Open(path);
  ASSERT_TRUE((*log)->Append(R"({"event":"c"})").ok());
  EXPECT_THAT(Lines(path), ElementsAre(EndsWith(R"(,"event":"a"})"), StartsWith(R"({"seq":2,)"),
                                       StartsWith(R"({"seq":3,"time":")")));
}

TEST(AuditLogTest, ATornLastLineIsEndedAndNumberingGoesOn) {
  const TempDir dir;
  const std::string path = dir.path() + "/audit.jsonl";
  std::ofstream(path) << "{\"seq\":41,\"x\":1}\n{\"seq\":42,\"to";
  auto log = AuditLog::Open(path);
  ASSERT_TRUE((*log)->Append("{}").ok());
  EXPECT_THAT(Lines(path), ElementsAre(StartsWith("{\"seq\":41"), "{\"seq\":42,\"to",
                                       StartsWith("{\"seq\":43,\"time\"")));
}

TEST(AuditLogTest, NumberingGoesOnPastALineThatWasTornBefore) {
  const TempDir dir;
  const std::string path = dir.path() + "/audit.jsonl";
  std::ofstream(path) << "{\"seq\":41,\"x\":1}\n{\"se\n";
  ASSERT_TRUE((*AuditLog::Open(path))->Append("{}").ok());
  EXPECT_THAT(Lines(path).back(), StartsWith("{\"seq\":42,"));
}

TEST(AuditLogTest, WhatIsNoSingleObjectIsRefusedAndNotWritten) {
  const TempDir dir;
  const std::string path = dir.path() + "/audit.jsonl";
  auto log = AuditLog::Open(path);
  for (const std::string& bad :
       {std::string(), std::string("x"), std::string("{\n}"), std::string("[]"),
        "{" + std::string(20'000, ' ') + "}", std::string("{\0}", 3)}) {
    EXPECT_TRUE(absl::IsInvalidArgument((*log)->Append(bad)));
  }
  EXPECT_TRUE(Lines(path).empty());
}

TEST(AuditLogTest, AFullDiskIsAnError) {
  auto log = AuditLog::Open("/dev/full");
  if (!log.ok()) GTEST_SKIP() << "no /dev/full here";
  EXPECT_FALSE((*log)->Append("{}").ok());
}

}  // namespace
}  // namespace nacre::keeper
