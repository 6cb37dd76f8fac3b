#include "keeper/cgroups.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace nacre::keeper {
namespace {

class CgroupsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto cgroups = Cgroups::Open("", dir_.path());
    if (!cgroups.ok()) GTEST_SKIP() << cgroups.status();
    cgroups_ = *std::move(cgroups);
  }
  void TearDown() override {
    for (const pid_t pid : started_) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }

  // A process in the cgroup, in a session of its own.
  pid_t StartIn(const Cgroup& cgroup) {
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    const UniqueFd reader(ready[0]);
    UniqueFd writer(ready[1]);
    const pid_t pid = fork();
    if (pid == 0) {
      setsid();
      std::ofstream(cgroup.path() + "/cgroup.procs") << getpid();
      (void)!write(ready[1], "x", 1);
      for (;;) pause();
    }
    char byte;
    EXPECT_EQ(read(reader.get(), &byte, 1), 1);
    started_.push_back(pid);
    return pid;
  }

  static int WaitFor(pid_t pid) {
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }

  const TempDir dir_;
  std::unique_ptr<Cgroups> cgroups_;
  std::vector<pid_t> started_;
};

TEST_F(CgroupsTest, ASignalReachesEveryProcessInside) {
  auto cgroup = cgroups_->Create(1, {});
  ASSERT_TRUE(cgroup.ok()) << cgroup.status();
  const pid_t first = StartIn(**cgroup), second = StartIn(**cgroup);
  (*cgroup)->Signal(SIGUSR1);
  EXPECT_EQ(WaitFor(first), SIGUSR1);
  EXPECT_EQ(WaitFor(second), SIGUSR1);
  started_.clear();
}

TEST_F(CgroupsTest, AnEmptyOneGoesAtOnceAndAFullOneOnceItIsEmpty) {
  auto empty = cgroups_->Create(1, {});
  auto full = cgroups_->Create(2, {});
  ASSERT_TRUE(empty.ok() && full.ok());
  const std::string paths[] = {(*empty)->path(), (*full)->path()};
  const pid_t pid = StartIn(**full);
  empty->reset();
  full->reset();
  EXPECT_FALSE(std::filesystem::exists(paths[0]));
  EXPECT_TRUE(std::filesystem::exists(paths[1]));
  EXPECT_TRUE(cgroups_->untidy());
  cgroups_->Tidy();
  EXPECT_TRUE(cgroups_->untidy());
  kill(pid, SIGKILL);
  EXPECT_EQ(WaitFor(pid), SIGKILL);
  started_.clear();
  cgroups_->Tidy();
  EXPECT_FALSE(cgroups_->untidy());
  EXPECT_FALSE(std::filesystem::exists(paths[1]));
}

TEST_F(CgroupsTest, WhatIsLeftDiesWithTheWholeAndIsSweptByTheNext) {
  auto cgroup = cgroups_->Create(1, {});
  ASSERT_TRUE(cgroup.ok());
  const std::string path = cgroups_->path();
  const pid_t first = StartIn(**cgroup);
  // One that was killed: nothing of it is destroyed.
  static auto& killed = *new std::vector<std::unique_ptr<Cgroup>>;
  static auto& killed_whole = *new std::unique_ptr<Cgroups>;
  killed.push_back(*std::move(cgroup));
  killed_whole = std::move(cgroups_);
  auto next = Cgroups::Open("", dir_.path());
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(WaitFor(first), SIGKILL);
  EXPECT_EQ((*next)->path(), path);
  auto again = (*next)->Create(1, {});
  ASSERT_TRUE(again.ok()) << again.status();
  const pid_t second = StartIn(**again);
  killed.push_back(*std::move(again));
  next->reset();
  EXPECT_EQ(WaitFor(second), SIGKILL);
  started_.clear();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(CgroupsTest, ALimitThatCannotBeEnforcedIsRefusedByName) {
  std::ifstream file(cgroups_->path() + "/cgroup.controllers");
  const std::string controllers((std::istreambuf_iterator<char>(file)), {});
  auto memory = cgroups_->Create(1, {.memory_bytes = 64 << 20});
  if (controllers.find("memory") == std::string::npos) {
    ASSERT_TRUE(absl::IsUnimplemented(memory.status()));
    EXPECT_NE(std::string(memory.status().message()).find("memory"), std::string::npos);
  } else {
    EXPECT_TRUE(memory.ok()) << memory.status();
  }
}

TEST_F(CgroupsTest, TheTimeOfItsProcessesIsCounted) {
  auto cgroup = cgroups_->Create(1, {});
  ASSERT_TRUE(cgroup.ok());
  EXPECT_EQ((*cgroup)->CpuNs(), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    std::ofstream((*cgroup)->path() + "/cgroup.procs") << getpid();
    std::atomic<int> turns = 0;
    while (++turns < 50'000'000) {
    }
    _exit(0);
  }
  EXPECT_EQ(WaitFor(pid), 0);
  EXPECT_GT((*cgroup)->CpuNs(), 0);
}

}  // namespace
}  // namespace nacre::keeper
