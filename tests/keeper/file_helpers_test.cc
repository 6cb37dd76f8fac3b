#include "keeper/file_helpers.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <optional>

#include "base/clock.h"
#include "tests/support/temp_dir.h"

namespace nacre::keeper {
namespace {

class FileHelpersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto spawner = Spawner::Create(FileHelpers::kLanes, 256, 512);
    ASSERT_TRUE(spawner.ok()) << spawner.status();
    helpers_ = std::make_unique<FileHelpers>(loop_, *std::move(spawner));
    user_ = *User::Current();
  }

  void TearDown() override {
    helpers_->Drop(this);
    helpers_->Drop(&other_);
    // They would be given time to tidy up.
    for (pid_t pid = first_; pid <= first_ + kPids; ++pid) {
      if (helpers_->Has(pid)) kill(pid, SIGKILL);
    }
    Await([this] { return running() == 0; });
  }

  // Numbers of processes that may be among ours.
  static constexpr pid_t kPids = 1000;

  // A program of this test's own.
  std::string Script(const std::string& text) {
    std::string path = dir_.path() + "/" + std::to_string(++scripts_);
    std::ofstream(path) << "#!/bin/sh\n" << text << "\n";
    chmod(path.c_str(), 0755);
    return path;
  }

  void Start(const void* owner, const std::string& program) {
    answers_.emplace_back();
    helpers_->Start(owner, program, user_, std::nullopt,
                    [this, at = answers_.size() - 1](absl::StatusOr<UniqueFd> channel) {
                      answers_[at] = std::move(channel);
                    });
  }

  // Lets the keeper turn until it is so.
  void Await(const std::function<bool()>& holds) {
    const int64_t deadline = MonotonicNs() + 30'000'000'000;
    while (!holds()) {
      ASSERT_LT(MonotonicNs(), deadline);
      loop_.RunOnce(/*poll=*/true);
      helpers_->LaunchQueued();
      helpers_->EndTurn();
      usleep(1000);
    }
  }

  bool Answered(size_t at) const { return answers_[at].has_value(); }

  // How many of the processes are not reaped yet.
  size_t running() const {
    size_t count = 0;
    for (pid_t pid = first_; pid <= first_ + kPids; ++pid) count += helpers_->Has(pid) ? 1 : 0;
    return count;
  }

  static bool HungUp(int fd) {
    pollfd channel{.fd = fd, .events = 0, .revents = 0};
    return poll(&channel, 1, 0) == 1 && (channel.revents & POLLHUP) != 0;
  }

  TempDir dir_;
  Loop loop_;
  std::unique_ptr<FileHelpers> helpers_;
  User user_;
  int other_ = 0, scripts_ = 0;
  const pid_t first_ = getpid();
  std::vector<std::optional<absl::StatusOr<UniqueFd>>> answers_;
};

TEST_F(FileHelpersTest, AHelperThatRunsHasTheOtherEndOfTheChannelAsDescriptorZero) {
  Start(this, Script("echo hello >&0; exec sleep 1000"));
  Await([this] { return Answered(0); });
  ASSERT_TRUE(answers_[0]->ok()) << answers_[0]->status();
  const int channel = (*answers_[0])->get();
  char buffer[16];
  Await([&] { return recv(channel, buffer, sizeof(buffer), MSG_DONTWAIT) == 6; });
}

TEST_F(FileHelpersTest, WhatCanNotBeStartedIsSaid) {
  Start(this, "/nonexistent/program");
  Start(this, dir_.path());
  Await([this] { return Answered(0) && Answered(1); });
  EXPECT_FALSE(answers_[0]->ok());
  EXPECT_FALSE(answers_[1]->ok());
}

TEST_F(FileHelpersTest, OneThatAFrontAsksForAgainReplacesItsFirst) {
  const std::string program = Script("exec sleep 1000");
  Start(this, program);
  Await([this] { return Answered(0); });
  Start(&other_, program);
  Start(this, program);
  Await([this] { return Answered(1) && Answered(2); });
  Await([this] { return HungUp((*answers_[0])->get()); });
  EXPECT_FALSE(HungUp((*answers_[1])->get()));
  EXPECT_FALSE(HungUp((*answers_[2])->get()));
}

TEST_F(FileHelpersTest, ThoseOfAFrontThatIsGoneAreEndedAndTellItNothing) {
  const std::string program = Script("exec sleep 1000");
  Start(this, program);
  Start(&other_, program);
  helpers_->Drop(this);
  Await([this] { return Answered(1); });
  EXPECT_TRUE(answers_[1]->ok());
  EXPECT_FALSE(Answered(0));
}

TEST_F(FileHelpersTest, WhileOneIsBeingStartedThereIsNoOther) {
  const std::string program = Script("exec sleep 1000");
  Start(this, program);
  for (int i = 0; i < 100; ++i) Start(this, program);
  EXPECT_TRUE(absl::IsUnavailable(answers_.back()->status()));
  Await([this] { return Answered(0); });
  EXPECT_TRUE(answers_[0]->ok());
}

TEST_F(FileHelpersTest, MoreThanThereAreLanesStartOneAfterTheOther) {
  const std::string program = Script("exec sleep 1000");
  int owners[10];
  for (const int& owner : owners) Start(&owner, program);
  Await([this] {
    return std::all_of(answers_.begin(), answers_.end(),
                       [](const auto& answer) { return answer.has_value() && answer->ok(); });
  });
  for (const int& owner : owners) helpers_->Drop(&owner);
}

}  // namespace
}  // namespace nacre::keeper
