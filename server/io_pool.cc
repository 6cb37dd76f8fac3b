#include "server/io_pool.h"

#include <asio/post.hpp>
#include <utility>

namespace nacre {

void IoPool::Post(const std::string& user, std::function<void()> step) {
  {
    const absl::MutexLock lock(&mutex_);
    Lane& lane = lanes_[user];
    if (lane.running >= kThreadsOfUser) {
      lane.waiting.push_back(std::move(step));
      return;
    }
    ++lane.running;
  }
  asio::post(threads_, [this, user, step = std::move(step)] { Run(user, step); });
}

void IoPool::Run(const std::string& user, const std::function<void()>& step) {
  step();
  std::function<void()> next;
  {
    const absl::MutexLock lock(&mutex_);
    Lane& lane = lanes_[user];
    if (lane.waiting.empty()) {
      if (--lane.running == 0) lanes_.erase(user);
      return;
    }
    next = std::move(lane.waiting.front());
    lane.waiting.pop_front();
  }
  // Behind what others have posted meanwhile.
  asio::post(threads_, [this, user, next = std::move(next)] { Run(user, next); });
}

}  // namespace nacre
