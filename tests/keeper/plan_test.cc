#include "keeper/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nacre::keeper {
namespace {

using ::testing::ElementsAre;

const User kUser{.uid = 1000,
                 .gid = 1000,
                 .groups = {1000},
                 .name = "ann",
                 .home = "/home/ann",
                 .shell = "/bin/zsh"};

v1::SpawnRecord Record(std::initializer_list<const char*> argv) {
  v1::SpawnRecord record;
  for (const char* argument : argv) record.add_argv(argument);
  return record;
}

TEST(PlanTest, TheEnvironmentIsCleanWithTheCallersAdditions) {
  v1::SpawnRecord record = Record({"true"});
  record.add_env("A=1=2");
  record.add_env("HOME=/elsewhere");
  record.add_env("NACRE_SESSION_ID=forged");
  auto plan = PlanChild(record, kUser, "e-1");
  ASSERT_TRUE(plan.ok());
  EXPECT_THAT(plan->env,
              ElementsAre("PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games",
                          "HOME=/elsewhere", "USER=ann", "LOGNAME=ann", "SHELL=/bin/zsh",
                          "LANG=C.UTF-8", "NACRE_SESSION_ID=e-1", "A=1=2"));
}

TEST(PlanTest, AProgramIsLookedUpInTheFinalPath) {
  v1::SpawnRecord record = Record({"tool", "-x"});
  record.add_env("PATH=/a::/b/");
  EXPECT_THAT(PlanChild(record, kUser, "e-1")->candidates,
              ElementsAre("/a/tool", "./tool", "/b//tool"));
  EXPECT_THAT(PlanChild(Record({"./tool"}), kUser, "e-1")->candidates, ElementsAre("./tool"));
}

TEST(PlanTest, WithoutADirectoryTheUsersHomeIsTriedThenRoot) {
  auto plan = PlanChild(Record({"x"}), kUser, "e-1");
  EXPECT_EQ(plan->cwd, "/home/ann");
  EXPECT_TRUE(plan->cwd_optional);
  v1::SpawnRecord record = Record({"x"});
  record.set_cwd("/srv");
  plan = PlanChild(record, kUser, "e-1");
  EXPECT_EQ(plan->cwd, "/srv");
  EXPECT_FALSE(plan->cwd_optional);
}

TEST(PlanTest, AUsersShellLineRunsInTheirShell) {
  v1::SpawnRecord record = Record({"echo $0"});
  record.set_user_shell(true);
  EXPECT_THAT(PlanChild(record, kUser, "e-1")->argv, ElementsAre("/bin/zsh", "-c", "echo $0"));
}

TEST(PlanTest, AnEvilFrontsRecordIsRefused) {
  std::vector<v1::SpawnRecord> records(9, Record({"x"}));
  records[0].clear_argv();
  records[1].add_argv(std::string("a\0b", 3));
  records[2].add_env("NOEQUALS");
  records[3].add_env("=value");
  records[4].add_env(std::string("A=\0", 3));
  records[5].set_cwd("relative");
  records[6].set_cwd(std::string("/\0", 2));
  records[7].mutable_limits()->set_nice(20);
  records[8].set_argv(0, "");
  for (const v1::SpawnRecord& record : records) {
    EXPECT_TRUE(absl::IsInvalidArgument(PlanChild(record, kUser, "e-1").status()));
  }
}

}  // namespace
}  // namespace nacre::keeper
