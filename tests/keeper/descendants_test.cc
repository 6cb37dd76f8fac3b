#include "keeper/descendants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "base/unique_fd.h"

namespace nacre::keeper {
namespace {

using ::testing::Contains;
using ::testing::Not;

constexpr char kId[] = "descendants-test-1";

// Processes of a shell line, which prints their numbers.
class DescendantsTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); }
  void TearDown() override {
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    for (const pid_t pid : started_) kill(pid, SIGKILL);
    while (waitpid(-1, nullptr, 0) > 0) {
    }
  }

  // Runs `line`, as a leader would be run; it prints one number.
  pid_t Start(const std::string& line, pid_t* printed) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    const pid_t leader = fork();
    if (leader == 0) {
      setsid();
      dup2(ends[1], 1);
      setenv("NACRE_SESSION_ID", kId, 1);
      execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
      _exit(127);
    }
    writer.reset();
    std::string text;
    char byte;
    while (read(reader.get(), &byte, 1) == 1 && byte != '\n') text += byte;
    *printed = atoi(text.c_str());
    started_.insert(started_.end(), {leader, *printed});
    return leader;
  }

  static std::vector<pid_t> Find(pid_t leader) {
    return FindDescendants(leader, kId, [leader](pid_t pid) { return pid == leader; });
  }

  std::vector<pid_t> started_;
};

TEST_F(DescendantsTest, ALeadersChildrenAreFoundWhereverTheyHaveGone) {
  pid_t child;
  const pid_t leader = Start("setsid sh -c 'echo $$; exec sleep 1000' & wait", &child);
  EXPECT_THAT(Find(leader), Contains(leader));
  EXPECT_THAT(Find(leader), Contains(child));
}

TEST_F(DescendantsTest, AnOrphanIsFoundByItsEnvironment) {
  pid_t orphan;
  const pid_t leader =
      Start("sh -c 'setsid sh -c \"echo \\$\\$; exec sleep 1000\" &'; exec sleep 1000", &orphan);
  ASSERT_NE(orphan, 0);
  EXPECT_THAT(Find(leader), Contains(orphan));
  EXPECT_THAT(FindDescendants(leader, "another", [&](pid_t pid) { return pid == leader; }),
              Not(Contains(orphan)));
}

TEST_F(DescendantsTest, AnOrphanOfTheLeadersOwnPosixSessionIsFoundWithoutIt) {
  pid_t orphan;
  const pid_t leader =
      Start("sh -c 'env -i sh -c \"echo \\$\\$; exec sleep 1000\" &'; exec sleep 1000", &orphan);
  EXPECT_THAT(Find(leader), Contains(orphan));
}

}  // namespace
}  // namespace nacre::keeper
