#include "executor/retention.h"

#include <gtest/gtest.h>

namespace nacre {
namespace {

TEST(RetentionTest, EachSessionIsKeptForItsTime) {
  Retention retention;
  retention.Add(1, "a", 300);
  retention.Add(2, "a", 100);
  retention.Add(3, "b", 200);
  EXPECT_EQ(retention.next_expiry(), 100);
  EXPECT_EQ(retention.expiry(1), 300);
  EXPECT_EQ(retention.TakeExpired(99), std::vector<uint64_t>{});
  EXPECT_EQ(retention.TakeExpired(200), (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(retention.expiry(2), 0);
  retention.Remove(1);
  retention.Remove(1);
  EXPECT_EQ(retention.next_expiry(), std::nullopt);
  EXPECT_EQ(retention.size(), 0U);
}

TEST(RetentionTest, TheOldestOfItsOwnerMakesRoom) {
  Retention retention(/*max_per_owner=*/2, /*max_per_node=*/100);
  EXPECT_EQ(retention.Add(1, "a", 900), std::nullopt);
  EXPECT_EQ(retention.Add(2, "b", 100), std::nullopt);
  EXPECT_EQ(retention.Add(3, "a", 100), std::nullopt);
  EXPECT_EQ(retention.Add(4, "a", 500), 1U);
  EXPECT_EQ(retention.Add(5, "a", 500), 3U);
  EXPECT_EQ(retention.size(), 3U);
}

TEST(RetentionTest, TheOldestOfTheNodeMakesRoomWhenItIsFull) {
  Retention retention(/*max_per_owner=*/2, /*max_per_node=*/3);
  for (uint64_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(retention.Add(i, std::to_string(i), 100), std::nullopt);
  }
  EXPECT_EQ(retention.Add(4, "4", 100), 1U);
  retention.Remove(2);
  EXPECT_EQ(retention.Add(5, "5", 100), std::nullopt);
  EXPECT_EQ(retention.Add(6, "6", 100), 3U);
}

}  // namespace
}  // namespace nacre
