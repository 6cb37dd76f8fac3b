#include "client/input_buffer.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace nacre::client {
namespace {

std::string Bytes(size_t count) { return std::string(count, 'i'); }

TEST(InputBuffer, TakesNoMoreThanTheWindowAhead) {
  InputBuffer buffer;
  ASSERT_TRUE(buffer.Open(0, 1000).ok());
  EXPECT_EQ(*buffer.Add(Bytes(5000)), 1000U);
  EXPECT_EQ(buffer.Take()->data().size(), 1000U);
  ASSERT_TRUE(buffer.Acknowledge(600).ok());
  EXPECT_EQ(*buffer.Add(Bytes(5000)), 600U);
  const auto next = buffer.Take();
  EXPECT_EQ(next->offset(), 1000U);
  EXPECT_EQ(next->data().size(), 600U);
  EXPECT_FALSE(buffer.Take().has_value());
}

TEST(InputBuffer, MakesNoMessageLargerThanOne) {
  InputBuffer buffer;
  ASSERT_TRUE(buffer.Open(0, 4 * InputBuffer::kMessageBytes).ok());
  EXPECT_EQ(*buffer.Add(Bytes(3 * InputBuffer::kMessageBytes)), InputBuffer::kMessageBytes);
  EXPECT_EQ(*buffer.Add(Bytes(10)), 10U);
  EXPECT_EQ(buffer.Take()->data().size(), InputBuffer::kMessageBytes);
  EXPECT_EQ(buffer.Take()->data().size(), 10U);
}

TEST(InputBuffer, ContinuesWhereTheNodeExpectsIt) {
  InputBuffer buffer;
  ASSERT_TRUE(buffer.Open(70, 10).ok());
  ASSERT_TRUE(buffer.Add("x").ok());
  EXPECT_EQ(buffer.Take()->offset(), 70U);
}

TEST(InputBuffer, TheEndNeedsNoRoomAndComesOnce) {
  InputBuffer buffer;
  ASSERT_TRUE(buffer.Open(0, 10).ok());
  ASSERT_TRUE(buffer.Add(Bytes(10)).ok());
  ASSERT_TRUE(buffer.AddEof().ok());
  EXPECT_EQ(buffer.Take()->data().size(), 10U);
  const auto end = buffer.Take();
  EXPECT_EQ(end->offset(), 10U);
  EXPECT_TRUE(end->eof());
  EXPECT_FALSE(buffer.Take().has_value());
  EXPECT_TRUE(absl::IsFailedPrecondition(buffer.Add("late").status()));
}

TEST(InputBuffer, WaitersWakeOnRoom) {
  InputBuffer buffer;
  ASSERT_TRUE(buffer.Open(0, 10).ok());
  ASSERT_TRUE(buffer.Add(Bytes(10)).ok());
  ASSERT_TRUE(buffer.Take().has_value());
  std::thread reader([&buffer] { EXPECT_TRUE(buffer.Acknowledge(10).ok()); });
  EXPECT_EQ(*buffer.Add(Bytes(10)), 10U);
  reader.join();
}

TEST(InputBuffer, WaitersWakeOnTheEndAndHearTheFirstReason) {
  InputBuffer buffer;
  std::thread reader([&buffer] {
    buffer.Close(absl::FailedPreconditionError("first"));
    buffer.Close(absl::InternalError("second"));
  });
  EXPECT_EQ(buffer.Add("x").status().message(), "first");
  reader.join();
  EXPECT_EQ(buffer.AddEof().message(), "first");
}

TEST(InputBuffer, AnAcknowledgementOfWhatWasNotSentIsAnError) {
  InputBuffer buffer;
  ASSERT_TRUE(buffer.Open(0, 10).ok());
  ASSERT_TRUE(buffer.Add(Bytes(5)).ok());
  EXPECT_TRUE(absl::IsInternal(buffer.Acknowledge(5)));
  ASSERT_TRUE(buffer.Take().has_value());
  EXPECT_TRUE(buffer.Acknowledge(5).ok());
}

TEST(InputBuffer, AnOldAcknowledgementTakesNothingBack) {
  InputBuffer buffer;
  ASSERT_TRUE(buffer.Open(0, 10).ok());
  ASSERT_TRUE(buffer.Add(Bytes(10)).ok());
  ASSERT_TRUE(buffer.Take().has_value());
  ASSERT_TRUE(buffer.Acknowledge(10).ok());
  ASSERT_TRUE(buffer.Acknowledge(3).ok());
  EXPECT_EQ(*buffer.Add(Bytes(10)), 10U);
}

TEST(InputBuffer, ALaterStreamGetsWhatTheNodeLacksAndTheEnd) {
  InputBuffer buffer;
  ASSERT_TRUE(buffer.Open(0, 10).ok());
  ASSERT_TRUE(buffer.Add("abcdefgh").ok());
  ASSERT_TRUE(buffer.AddEof().ok());
  while (buffer.Take().has_value()) {
  }
  ASSERT_TRUE(buffer.Acknowledge(2).ok());
  ASSERT_TRUE(buffer.Open(5, 10).ok());
  const auto rest = buffer.Take();
  EXPECT_EQ(rest->offset(), 5U);
  EXPECT_EQ(rest->data(), "fgh");
  EXPECT_TRUE(buffer.Take()->eof());
}

TEST(InputBuffer, ALaterStreamCanTellThatTheCommandWasGivenLess) {
  InputBuffer buffer;
  ASSERT_TRUE(buffer.Open(0, 10).ok());
  ASSERT_TRUE(buffer.Add(Bytes(10)).ok());
  ASSERT_TRUE(buffer.Take().has_value());
  ASSERT_TRUE(buffer.Open(10, 10).ok());
  ASSERT_TRUE(buffer.Acknowledge(6).ok());
  EXPECT_EQ(*buffer.Add(Bytes(10)), 6U);
}

TEST(InputBuffer, WhatTheNodeHadIsNotKept) {
  InputBuffer buffer;
  ASSERT_TRUE(buffer.Open(0, 10).ok());
  ASSERT_TRUE(buffer.Add("abcdefgh").ok());
  ASSERT_TRUE(buffer.Take().has_value());
  ASSERT_TRUE(buffer.Acknowledge(4).ok());
  EXPECT_TRUE(absl::IsInternal(buffer.Open(3, 10)));
}

TEST(InputBuffer, InputThatAnotherCallerHasWrittenEndsOurs) {
  InputBuffer buffer;
  ASSERT_TRUE(buffer.Open(0, 10).ok());
  ASSERT_TRUE(buffer.Add("ab").ok());
  ASSERT_TRUE(buffer.Open(7, 10).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(buffer.Add("c").status()));
  EXPECT_FALSE(buffer.Take().has_value());
}

TEST(InputBuffer, AStreamWithoutAWindowTakesNothing) {
  InputBuffer buffer;
  ASSERT_TRUE(buffer.Open(0, 0).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(buffer.Add("x").status()));
}

}  // namespace
}  // namespace nacre::client
