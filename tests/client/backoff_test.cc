#include "client/backoff.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace nacre::client {
namespace {

TEST(Backoff, TriesAtOnceThenDoublesGiveOrTakeHalf) {
  Backoff backoff;
  EXPECT_EQ(backoff.Next(), absl::ZeroDuration());
  absl::Duration step = Backoff::kFirst;
  for (int i = 0; i < 10; ++i) {
    const absl::Duration pause = backoff.Next();
    EXPECT_GE(pause, step / 2);
    EXPECT_LE(pause, step * 1.5);
    step = std::min(2 * step, Backoff::kLast);
  }
  EXPECT_EQ(step, Backoff::kLast);
}

}  // namespace
}  // namespace nacre::client
