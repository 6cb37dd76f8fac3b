#include "base/throttle.h"

#include <gtest/gtest.h>

namespace nacre {
namespace {

TEST(ThrottleTest, LetsABurstThroughAndThenOneInEachPeriodAndCountsTheOthers) {
  const int64_t start = MonotonicNs();
  Throttle throttle(3, 1'000'000'000);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(throttle.Admit(start));
  EXPECT_EQ(throttle.skipped(), 0U);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(throttle.Admit(start + 1));
  EXPECT_TRUE(throttle.Admit(start + 1'100'000'000));
  EXPECT_EQ(throttle.skipped(), 5U);
  EXPECT_FALSE(throttle.Admit(start + 1'200'000'000));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(throttle.Admit(start + 90'000'000'000));
  EXPECT_FALSE(throttle.Admit(start + 90'000'000'000));
}

}  // namespace
}  // namespace nacre
