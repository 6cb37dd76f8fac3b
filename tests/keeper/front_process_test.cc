#include "keeper/front_process.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace nacre::keeper {
namespace {

bool AwaitReadable(int fd) {
  pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&wait, 1, 10'000) == 1;
}

class FrontProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto spawner = Spawner::Create(1, 256, 256);
    ASSERT_TRUE(spawner.ok()) << spawner.status();
    spawner_ = *std::move(spawner);
  }

  absl::StatusOr<FrontProcess> Start(const std::string& path, std::vector<std::string> arguments) {
    return FrontProcess::Start(
        *spawner_, {.path = path, .arguments = std::move(arguments), .credentials = std::nullopt});
  }

  std::unique_ptr<Spawner> spawner_;
};

TEST_F(FrontProcessTest, TheFrontGetsItsChannelAsDescriptorZeroAndOurErrorsAndNoOther) {
  auto front = Start("/bin/sh", {"-c", "echo hello >&0; exec ls /proc/self/fd >&0"});
  ASSERT_TRUE(front.ok()) << front.status();
  ASSERT_TRUE(AwaitReadable(front->channel().get()));
  auto hello = seqpacket::Receive(front->channel().get());
  ASSERT_TRUE(hello.ok() && hello->has_value());
  EXPECT_EQ((*hello)->bytes, "hello\n");
  ASSERT_TRUE(AwaitReadable(front->channel().get()));
  auto descriptors = seqpacket::Receive(front->channel().get());
  ASSERT_TRUE(descriptors.ok() && descriptors->has_value());
  // 3 is ls's own look at the folder.
  EXPECT_EQ((*descriptors)->bytes, "0\n1\n2\n3\n");
  ASSERT_TRUE(AwaitReadable(front->pidfd().get()));
  EXPECT_EQ(front->Reap(), "exited with status 0");
}

TEST_F(FrontProcessTest, AFrontThatIsAScriptRunsToo) {
  const TempDir dir;
  const std::string path = dir.path() + "/front";
  std::ofstream(path) << "#!/bin/sh\nexit 3\n";
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  auto front = Start(path, {});
  ASSERT_TRUE(front.ok()) << front.status();
  ASSERT_TRUE(AwaitReadable(front->pidfd().get()));
  EXPECT_EQ(front->Reap(), "exited with status 3");
}

TEST_F(FrontProcessTest, TheWayAFrontDiedIsTold) {
  auto front = Start("/bin/sleep", {"1000"});
  ASSERT_TRUE(front.ok());
  front->Kill(SIGKILL);
  ASSERT_TRUE(AwaitReadable(front->pidfd().get()));
  EXPECT_EQ(front->Reap(), "killed by SIGKILL");
}

TEST_F(FrontProcessTest, AProgramThatCannotBeStartedIsAnErrorAndTheNextOneStarts) {
  EXPECT_TRUE(absl::IsNotFound(Start("/nonexistent/front", {}).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(Start("/etc/passwd", {}).status()));
  auto front = Start("/bin/true", {});
  ASSERT_TRUE(front.ok()) << front.status();
  ASSERT_TRUE(AwaitReadable(front->pidfd().get()));
  EXPECT_EQ(front->Reap(), "exited with status 0");
}

TEST(BackoffTest, DelaysDoubleUpToABoundAndStartAnewAfterOneThatServed) {
  constexpr int64_t kSecond = 1'000'000'000;
  Backoff backoff;
  EXPECT_EQ(backoff.NextDelayNs(0), 0);
  EXPECT_EQ(backoff.NextDelayNs(0), kSecond / 10);
  EXPECT_EQ(backoff.NextDelayNs(0), kSecond / 5);
  for (int i = 0; i < 10; ++i) backoff.NextDelayNs(0);
  EXPECT_EQ(backoff.NextDelayNs(0), 5 * kSecond);
  EXPECT_EQ(backoff.NextDelayNs(kSecond), 0);
  EXPECT_EQ(backoff.NextDelayNs(0), 0);
}

}  // namespace
}  // namespace nacre::keeper
