#pragma once

#include <asio/io_context.hpp>
#include <asio/thread_pool.hpp>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "compat/services.h"
#include "config/compat_listener.h"
#include "executor/executor.h"
#include "net/accept_loop.h"
#include "net/fd_budget.h"

namespace nacre::compat {

// The compatibility port: its listeners and their connections. Loop only.
class CompatServer {
 public:
  // `descriptors` bounds those of connections and replies together; `spool_dir` and `spool_bytes`
  // say where, and how much, of the disk replies may take. Borrows loop and executor.
  static absl::StatusOr<std::unique_ptr<CompatServer>> Create(asio::io_context& loop,
                                                              Executor& executor,
                                                              size_t descriptors,
                                                              std::string spool_dir,
                                                              uint64_t spool_bytes);
  ~CompatServer();

  // Serves `options` on a listening socket. An error: its secret can't be read.
  absl::Status Listen(const CompatListener& options, UniqueFd socket);
  // Accepts no more; `on_empty` is called once the last connection has had its reply.
  void Drain(std::function<void()> on_empty);
  // Closes what is left and waits for the disk threads. Once the loop runs no more; what it then
  // still holds has to be run before this is destroyed.
  void Shutdown();

 private:
  class Port;

  CompatServer(asio::io_context& loop, Executor& executor, size_t descriptors,
               std::shared_ptr<Spool> spool);
  void CheckEmpty();

  // Apart, so that many connections leave room for a long reply.
  FdBudget connections_, files_;
  asio::thread_pool disk_;
  Services services_;
  std::list<std::unique_ptr<Port>> ports_;
  std::function<void()> on_empty_;
};

}  // namespace nacre::compat
