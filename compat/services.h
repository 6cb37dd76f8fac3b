#pragma once

#include <asio/io_context.hpp>
#include <asio/thread_pool.hpp>
#include <memory>

#include "compat/spool.h"
#include "executor/executor.h"
#include "net/fd_budget.h"

namespace nacre::compat {

// What all connections share.
struct Services {
  asio::io_context& loop;
  Executor& executor;
  FdBudget& descriptors;
  std::shared_ptr<Spool> spool;
  // Where files are read and written: that may block.
  asio::thread_pool& disk;
};

}  // namespace nacre::compat
