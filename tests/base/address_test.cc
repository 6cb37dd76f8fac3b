#include "base/address.h"

#include <gtest/gtest.h>

namespace nacre {
namespace {

TEST(AddressTest, AddressesPrintAsTheyAreWritten) {
  for (const char* text : {"unix:/run/nacre/s", "127.0.0.1:7070", "[::1]:0", "10.1.2.3:65535"}) {
    auto address = Address::Parse(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->ToString(), text);
  }
  EXPECT_EQ(Address::Parse("localhost:1")->ToString(), "127.0.0.1:1");
  EXPECT_EQ(Address::Parse("[0:0::1]:1")->ToString(), "[::1]:1");
}

TEST(AddressTest, OnlyThisMachineIsLoopback) {
  EXPECT_TRUE(Address::Parse("unix:/s")->IsLoopback());
  EXPECT_TRUE(Address::Parse("127.9.9.9:1")->IsLoopback());
  EXPECT_TRUE(Address::Parse("[::1]:1")->IsLoopback());
  EXPECT_FALSE(Address::Parse("0.0.0.0:1")->IsLoopback());
  EXPECT_FALSE(Address::Parse("[::]:1")->IsLoopback());
}

TEST(AddressTest, WhatIsNoAddressIsRefusedWithTheReason) {
  for (const char* text : {"", "unix:", "unix:relative", "host", "127.0.0.1", "127.0.0.1:",
                           "127.0.0.1:65536", "127.0.0.1:-1", "example.org:1", "::1:x"}) {
    const auto address = Address::Parse(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_FALSE(address.status().message().empty());
  }
  EXPECT_FALSE(Address::Parse("unix:/" + std::string(200, 'x')).ok());
}

}  // namespace
}  // namespace nacre
