#include "keeper/front_process.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

namespace nacre::keeper {
namespace {

bool AwaitReadable(int fd) {
  pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&wait, 1, 10'000) == 1;
}

TEST(FrontProcessTest, TheFrontGetsItsChannelAsDescriptorThreeAndNoOther) {
  auto front = FrontProcess::Start("/bin/sh", {"-c", "echo hello >&3; exec ls /proc/self/fd >&3"});
  ASSERT_TRUE(front.ok()) << front.status();
  ASSERT_TRUE(AwaitReadable(front->channel().get()));
  auto hello = seqpacket::Receive(front->channel().get());
  ASSERT_TRUE(hello.ok() && hello->has_value());
  EXPECT_EQ((*hello)->bytes, "hello\n");
  ASSERT_TRUE(AwaitReadable(front->channel().get()));
  auto descriptors = seqpacket::Receive(front->channel().get());
  ASSERT_TRUE(descriptors.ok() && descriptors->has_value());
  // 4 is ls's own look at the folder.
  EXPECT_EQ((*descriptors)->bytes, "0\n1\n2\n3\n4\n");
  ASSERT_TRUE(AwaitReadable(front->pidfd().get()));
  EXPECT_EQ(front->Reap(), "exited with status 0");
}

TEST(FrontProcessTest, TheWayAFrontDiedIsTold) {
  auto front = FrontProcess::Start("/bin/sleep", {"1000"});
  ASSERT_TRUE(front.ok());
  front->Kill(SIGKILL);
  ASSERT_TRUE(AwaitReadable(front->pidfd().get()));
  EXPECT_EQ(front->Reap(), "killed by SIGKILL");
}

TEST(FrontProcessTest, AMissingProgramIsAnError) {
  EXPECT_TRUE(absl::IsNotFound(FrontProcess::Start("/nonexistent/front", {}).status()));
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
