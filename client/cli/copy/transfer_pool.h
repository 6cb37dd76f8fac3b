// Many transfers at once.
#ifndef NACRE_CLIENT_CLI_COPY_TRANSFER_POOL_H_
#define NACRE_CLIENT_CLI_COPY_TRANSFER_POOL_H_

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace nacre::cli {

// A bounded number of threads with a bounded queue, so that a walk through a tree is never far
// ahead. Submit() and Wait() are for one thread, which is none of the pool's.
class TransferPool {
 public:
  explicit TransferPool(size_t threads) : most_threads_(threads) {}
  ~TransferPool() { Wait(); }
  TransferPool(const TransferPool&) = delete;
  TransferPool& operator=(const TransferPool&) = delete;

  // Has it done by one of the threads; waits while the queue is full.
  void Submit(std::function<void()> transfer);

  // Waits until all is done. Nothing can be submitted any more.
  void Wait();

 private:
  void Work();

  const size_t most_threads_;
  std::mutex mutex_;
  std::condition_variable submitted_;
  std::condition_variable taken_;
  std::deque<std::function<void()>> queue_;  // Guarded by mutex_, as are
  size_t idle_ = 0;
  bool closed_ = false;
  std::vector<std::thread> threads_;  // Of the submitting thread.
};

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_COPY_TRANSFER_POOL_H_
