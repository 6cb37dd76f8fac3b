#pragma once

#include <asio/thread_pool.hpp>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace nacre {

// The threads that read and write files, which may block: a few, of which the files of one user get
// some, so that a file system that hangs takes its own user along and nobody else. Thread-safe.
class IoPool {
 public:
  IoPool() : threads_(kThreads) {}
  // Waits for the steps that run, which may hang: who started this process does not wait for ever.
  ~IoPool() { threads_.stop(); }

  // Runs `step` soon, on one of the threads. Steps of one user begin in order.
  void Post(const std::string& user, std::function<void()> step);

 private:
  static constexpr size_t kThreads = 8;
  static constexpr size_t kThreadsOfUser = 3;

  struct Lane {
    size_t running = 0;
    std::deque<std::function<void()>> waiting;
  };

  void Run(const std::string& user, const std::function<void()>& step);

  absl::Mutex mutex_;
  std::map<std::string, Lane> lanes_ ABSL_GUARDED_BY(mutex_);
  asio::thread_pool threads_;
};

}  // namespace nacre
