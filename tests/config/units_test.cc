#include "config/units.h"

#include <gtest/gtest.h>

namespace nacre {
namespace {

TEST(UnitsTest, SizesTakePowersOf1024) {
  EXPECT_EQ(*ParseSize("0"), 0U);
  EXPECT_EQ(*ParseSize("512"), 512U);
  EXPECT_EQ(*ParseSize("64K"), 65536U);
  EXPECT_EQ(*ParseSize("2T"), uint64_t{2} << 40);
  EXPECT_EQ(*ParseSize("18446744073709551615"), ~uint64_t{0});
}

TEST(UnitsTest, WhatIsNoSizeIsRefused) {
  for (const char* text : {"", "K", "-1", "+1", " 1", "1 K", "1k", "1KB", "1.5G", "0x10",
                           "18446744073709551616", "17179869184G"}) {
    EXPECT_FALSE(ParseSize(text).ok()) << text;
  }
}

TEST(UnitsTest, DurationsAreGoAlike) {
  EXPECT_EQ(*ParseDurationNs("0"), 0);
  EXPECT_EQ(*ParseDurationNs("250ms"), 250'000'000);
  EXPECT_EQ(*ParseDurationNs("1h30m"), int64_t{5400} * 1'000'000'000);
  for (const char* text : {"", "5", "-1s", "inf", "9000h", "1 s"}) {
    EXPECT_FALSE(ParseDurationNs(text).ok()) << text;
  }
}

}  // namespace
}  // namespace nacre
