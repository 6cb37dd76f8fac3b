#include "base/seqpacket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace nacre::seqpacket {
namespace {

TEST(SeqpacketTest, DatagramsKeepTheirBordersAndDescriptors) {
  auto pair = Pair();
  ASSERT_TRUE(pair.ok());
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]), writer(ends[1]);
  ASSERT_TRUE(Send(pair->first.get(), "one", {writer.get()}).ok());
  ASSERT_TRUE(Send(pair->first.get(), "two").ok());
  auto one = Receive(pair->second.get());
  ASSERT_TRUE(one.ok() && one->has_value());
  EXPECT_EQ((*one)->bytes, "one");
  ASSERT_EQ((*one)->fds.size(), 1u);
  EXPECT_NE(fcntl((*one)->fds[0].get(), F_GETFD) & FD_CLOEXEC, 0);
  ASSERT_EQ(write((*one)->fds[0].get(), "x", 1), 1);
  char byte;
  EXPECT_EQ(read(reader.get(), &byte, 1), 1);
  auto two = Receive(pair->second.get());
  ASSERT_TRUE(two.ok() && two->has_value());
  EXPECT_EQ((*two)->bytes, "two");
  EXPECT_TRUE((*two)->fds.empty());
}

TEST(SeqpacketTest, NothingToReceiveIsNoError) {
  auto pair = Pair();
  auto received = Receive(pair->second.get());
  ASSERT_TRUE(received.ok());
  EXPECT_FALSE(received->has_value());
}

TEST(SeqpacketTest, AClosedPeerIsToldAfterItsLastDatagram) {
  auto pair = Pair();
  ASSERT_TRUE(Send(pair->first.get(), "last").ok());
  pair->first.reset();
  auto last = Receive(pair->second.get());
  ASSERT_TRUE(last.ok() && last->has_value());
  EXPECT_EQ((*last)->bytes, "last");
  EXPECT_TRUE(absl::IsOutOfRange(Receive(pair->second.get()).status()));
}

TEST(SeqpacketTest, WhatAPeerHadSentComesThoughItDiedWithDatagramsUnread) {
  auto pair = Pair();
  ASSERT_TRUE(Send(pair->first.get(), "one").ok());
  ASSERT_TRUE(Send(pair->first.get(), "two").ok());
  ASSERT_TRUE(Send(pair->second.get(), "unread").ok());
  pair->first.reset();
  for (const char* sent : {"one", "two"}) {
    auto received = Receive(pair->second.get());
    ASSERT_TRUE(received.ok() && received->has_value()) << received.status();
    EXPECT_EQ((*received)->bytes, sent);
  }
  EXPECT_TRUE(absl::IsOutOfRange(Receive(pair->second.get()).status()));
}

TEST(SeqpacketTest, AFullChannelSaysUnavailableAndTakesMoreOnceDrained) {
  auto pair = Pair();
  const std::string datagram(kMaxDatagram, 'x');
  absl::Status status;
  int sent = 0;
  while ((status = Send(pair->first.get(), datagram)).ok()) ++sent;
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  ASSERT_GT(sent, 0);
  for (int i = 0; i < sent; ++i) {
    auto received = Receive(pair->second.get());
    ASSERT_TRUE(received.ok() && received->has_value());
    EXPECT_EQ((*received)->bytes.size(), kMaxDatagram);
  }
  EXPECT_TRUE(Send(pair->first.get(), datagram).ok());
}

TEST(SeqpacketTest, ADatagramBeyondTheBoundIsRefusedWholly) {
  auto pair = Pair();
  const std::string big(kMaxDatagram + 1, 'x');
  ASSERT_EQ(send(pair->first.get(), big.data(), big.size(), 0), static_cast<ssize_t>(big.size()));
  EXPECT_TRUE(absl::IsDataLoss(Receive(pair->second.get()).status()));
}

}  // namespace
}  // namespace nacre::seqpacket
