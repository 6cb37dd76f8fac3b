#pragma once

#include <asio/io_context.hpp>
#include <asio/thread_pool.hpp>
#include <cstddef>
#include <memory>

#include "compat/spool.h"
#include "executor/executor.h"
#include "net/fd_budget.h"

namespace nacre::compat {

// What all connections share.
struct Services {
  asio::io_context& loop;
  Executor& executor;
  FdBudget& file_descriptors;  // for replies
  std::shared_ptr<Spool> spool;
  // Where files are read and written: that may block.
  asio::thread_pool& disk;
  // Bytes of requests that may still be held, over all connections.
  size_t request_bytes_left = kRequestBytes;

  static constexpr size_t kRequestBytes = 16 * 1024 * 1024;
};

}  // namespace nacre::compat
