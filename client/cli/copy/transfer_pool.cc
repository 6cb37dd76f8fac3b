#include "client/cli/copy/transfer_pool.h"

#include <utility>

namespace nacre::cli {

void TransferPool::Submit(std::function<void()> transfer) {
  bool grow = false;
  {
    std::unique_lock lock(mutex_);
    taken_.wait(lock, [this] { return queue_.size() < 2 * most_threads_; });
    queue_.push_back(std::move(transfer));
    grow = idle_ < queue_.size() && threads_.size() < most_threads_;
    submitted_.notify_one();
  }
  if (grow) threads_.emplace_back([this] { Work(); });
}

void TransferPool::Wait() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    submitted_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void TransferPool::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    submitted_.wait(lock, [this] { return closed_ || !queue_.empty(); });
    --idle_;
    if (queue_.empty()) return;
    std::function<void()> transfer = std::move(queue_.front());
    queue_.pop_front();
    taken_.notify_one();
    lock.unlock();
    transfer();
    transfer = nullptr;  // What it held may have an end of its own.
    lock.lock();
  }
}

}  // namespace nacre::cli
