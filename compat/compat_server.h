#pragma once

#include <asio/io_context.hpp>
#include <asio/thread_pool.hpp>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/throttle.h"
#include "base/unique_fd.h"
#include "compat/connection.h"
#include "compat/services.h"
#include "config/compat_listener.h"
#include "executor/executor.h"
#include "net/accept_loop.h"
#include "net/fd_budget.h"

namespace nacre::compat {

// The compatibility port: its listeners and their connections. Where the spool is gone, connections
// are closed, and the log says why. Loop only.
class CompatServer : private Connection::Owner {
 public:
  // `descriptors` bounds those of connections and replies together; `spool` (a directory) and
  // `spool_bytes` say where, and how much, of the disk replies may take. Borrows loop and executor.
  CompatServer(asio::io_context& loop, Executor& executor, size_t descriptors, UniqueFd spool,
               uint64_t spool_bytes);
  ~CompatServer() override;

  // Serves `options` on a listening socket. Callers have to prove the secret, if there is one.
  void Listen(const CompatListener& options, std::optional<Secret> secret, UniqueFd socket);
  // Accepts no more; `on_empty` is called once the last connection has had its reply.
  void Drain(std::function<void()> on_empty);
  // Closes what is left and waits for the disk threads. Once the loop runs no more; what it then
  // still holds has to be run before this is destroyed.
  void Shutdown();

 private:
  class Port;

  void Accept(Port& port, UniqueFd socket);
  std::optional<FdBudget::Share> MakeRoom(const Port& port);
  bool MakeWay(const Port* port);
  void ForEach(void (Connection::*method)());

  void OnClosed(const Connection& connection) override;
  bool FreeRequestMemory(const Connection& for_whom) override;

  // Apart, so that many connections leave room for a long reply.
  FdBudget connection_fds_, file_fds_;
  asio::thread_pool disk_;
  Services services_;
  std::list<std::unique_ptr<Port>> ports_;
  // By serial number: the oldest first.
  std::map<uint64_t, std::shared_ptr<Connection>> connections_;
  uint64_t next_serial_ = 1;
  Throttle refused_log_;
  std::function<void()> on_empty_;
};

}  // namespace nacre::compat
