#include "server/io_pool.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"

namespace nacre {
namespace {

TEST(IoPoolTest, AUserWhoseStepsHangLeavesThreadsForOthers) {
  IoPool pool;
  absl::Notification hang;
  for (int i = 0; i < 50; ++i) pool.Post("ann", [&hang] { hang.WaitForNotification(); });
  absl::BlockingCounter done(20);
  for (int i = 0; i < 20; ++i) pool.Post("bob", [&done] { done.DecrementCount(); });
  done.Wait();
  absl::BlockingCounter last(1);
  pool.Post("ann", [&last] { last.DecrementCount(); });
  hang.Notify();
  last.Wait();
}

TEST(IoPoolTest, EveryStepRunsOnce) {
  IoPool pool;
  constexpr int kSteps = 5000;
  std::atomic<int> ran = 0;
  absl::BlockingCounter done(kSteps);
  for (int i = 0; i < kSteps; ++i) {
    pool.Post(i % 3 == 0 ? "ann" : "bob", [&] {
      ++ran;
      done.DecrementCount();
    });
  }
  done.Wait();
  EXPECT_EQ(ran, kSteps);
}

}  // namespace
}  // namespace nacre
