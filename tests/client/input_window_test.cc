#include "client/input_window.h"

#include <gtest/gtest.h>

#include <thread>

namespace nacre::client {
namespace {

TEST(InputWindow, GrantsNoMoreThanTheWindowAhead) {
  InputWindow window;
  window.Open(0, 1000);
  EXPECT_EQ(window.Reserve(5000)->bytes, 1000U);
  ASSERT_TRUE(window.Acknowledge(600).ok());
  const auto next = window.Reserve(5000);
  EXPECT_EQ(next->offset, 1000U);
  EXPECT_EQ(next->bytes, 600U);
}

TEST(InputWindow, GrantsNoMoreThanOneMessage) {
  InputWindow window;
  window.Open(0, 4 * InputWindow::kMessageBytes);
  EXPECT_EQ(window.Reserve(3 * InputWindow::kMessageBytes)->bytes, InputWindow::kMessageBytes);
}

TEST(InputWindow, ContinuesWhereTheNodeExpectsIt) {
  InputWindow window;
  window.Open(70, 10);
  EXPECT_EQ(window.Reserve(1)->offset, 70U);
}

TEST(InputWindow, AFullWindowStillGrantsNothingAtOnce) {
  InputWindow window;
  window.Open(0, 10);
  ASSERT_TRUE(window.Reserve(10).ok());
  EXPECT_EQ(window.Reserve(0)->offset, 10U);
}

TEST(InputWindow, WaitersWakeOnRoom) {
  InputWindow window;
  window.Open(0, 10);
  ASSERT_TRUE(window.Reserve(10).ok());
  std::thread reader([&window] { EXPECT_TRUE(window.Acknowledge(10).ok()); });
  EXPECT_EQ(window.Reserve(10)->offset, 10U);
  reader.join();
}

TEST(InputWindow, WaitersWakeOnTheEndAndHearTheFirstReason) {
  InputWindow window;
  std::thread reader([&window] {
    window.Close(absl::FailedPreconditionError("first"));
    window.Close(absl::InternalError("second"));
  });
  EXPECT_EQ(window.Reserve(1).status().message(), "first");
  reader.join();
  EXPECT_EQ(window.Reserve(0).status().message(), "first");
}

TEST(InputWindow, AnAcknowledgementOfWhatWasNotSentIsAnError) {
  InputWindow window;
  window.Open(0, 10);
  ASSERT_TRUE(window.Reserve(5).ok());
  EXPECT_TRUE(absl::IsInternal(window.Acknowledge(6)));
  EXPECT_TRUE(window.Acknowledge(5).ok());
}

TEST(InputWindow, AnOldAcknowledgementTakesNothingBack) {
  InputWindow window;
  window.Open(0, 10);
  ASSERT_TRUE(window.Reserve(10).ok());
  ASSERT_TRUE(window.Acknowledge(10).ok());
  ASSERT_TRUE(window.Acknowledge(3).ok());
  EXPECT_EQ(window.Reserve(10)->bytes, 10U);
}

}  // namespace
}  // namespace nacre::client
