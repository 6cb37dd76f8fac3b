#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>

#include "base/address.h"
#include "base/throttle.h"
#include "base/unique_fd.h"
#include "executor/identity.h"
#include "executor/policy.h"
#include "net/accept_loop.h"
#include "net/fd_budget.h"

namespace nacre {

// Accepts connections on the keeper's listening sockets, finds out who calls, and hands them on;
// counts and cuts them. A connection counts as admitted once its first byte is there: until then it
// costs one descriptor, and makes way when descriptors run short. Loop only.
class Acceptor : private AcceptLoop::Receiver {
 public:
  // Takes a connection over: a descriptor that is the receiver's own. False: it can't, and the
  // connection is closed.
  using Receiver = std::function<bool(const Identity&, UniqueFd)>;

  // Admits callers over Unix sockets whom the policy admits. Borrows budget and policy.
  Acceptor(asio::io_context& loop, FdBudget& budget, const Policy& policy, Receiver receiver);
  ~Acceptor() override;

  void Listen(const Address& address, UniqueFd socket);
  // Accepts no more; who has connected goes on.
  void Stop();
  // Drops who has not spoken yet.
  void DropWaiting();
  // Closes every connection; what was written to it still arrives.
  void Cut();

 private:
  struct Connection {
    Identity identity;
    FdBudget::Share descriptors;
    asio::posix::stream_descriptor socket;
    asio::steady_timer first_byte;
    bool admitted = false;
  };
  using Connections = std::list<Connection>;

  void OnConnection(const Address& listener, UniqueFd socket) override;
  void OnShortage() override;
  std::optional<FdBudget::Share> MakeRoom();
  std::optional<Identity> Identify(const Address& listener, int socket);
  void AwaitFirstByte(Connections::iterator connection);
  void Admit(Connections::iterator connection);
  void AwaitHangUp(Connections::iterator connection);

  asio::io_context& loop_;
  const Policy& policy_;
  const Receiver receiver_;
  FdBudget& budget_;
  Throttle refused_log_;
  AcceptLoop accept_loop_;
  // Oldest first: waiting for their first byte, and admitted.
  Connections waiting_, admitted_;
};

}  // namespace nacre
