#include "net/fd_budget.h"

#include <gtest/gtest.h>

namespace nacre {
namespace {

TEST(FdBudgetTest, GivesOutNoMoreThanItHasAndTakesBackWhatIsDropped) {
  FdBudget budget(3);
  auto two = budget.Take(2);
  ASSERT_TRUE(two.has_value());
  EXPECT_FALSE(budget.Take(2).has_value());
  {
    const auto one = budget.Take(1);
    EXPECT_TRUE(one.has_value());
    EXPECT_FALSE(budget.Take(1).has_value());
  }
  EXPECT_TRUE(budget.Take(1).has_value());
  two.reset();
  EXPECT_TRUE(budget.Take(3).has_value());
}

TEST(FdBudgetTest, AShareMovesWithoutBeingGivenBack) {
  FdBudget budget(2);
  FdBudget::Share kept;
  EXPECT_FALSE(kept.taken());
  kept = *budget.Take(2);
  EXPECT_TRUE(kept.taken());
  EXPECT_FALSE(budget.Take(1).has_value());
  FdBudget::Share moved = std::move(kept);
  EXPECT_FALSE(budget.Take(1).has_value());
  moved = FdBudget::Share();
  EXPECT_TRUE(budget.Take(2).has_value());
}

}  // namespace
}  // namespace nacre
