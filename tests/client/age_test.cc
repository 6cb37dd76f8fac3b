#include "client/cli/age.h"

#include <gtest/gtest.h>

namespace nacre::cli {
namespace {

TEST(Age, IsToldInTheLargestUnitThatFits) {
  EXPECT_EQ(Age(absl::Milliseconds(1900)), "1s");
  EXPECT_EQ(Age(absl::Seconds(59)), "59s");
  EXPECT_EQ(Age(absl::Seconds(60)), "1m");
  EXPECT_EQ(Age(absl::Minutes(119)), "1h");
  EXPECT_EQ(Age(absl::Hours(24)), "1d");
  EXPECT_EQ(Age(absl::Hours(24 * 500)), "500d");
}

TEST(Age, OfTheFutureIsNone) { EXPECT_EQ(Age(absl::Seconds(-100)), "0s"); }

}  // namespace
}  // namespace nacre::cli
