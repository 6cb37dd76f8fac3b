#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "base/address.h"
#include "base/unique_fd.h"
#include "executor/identity.h"

namespace nacre {

// Accepts connections on the keeper's listening sockets, finds out who calls, and hands them on;
// counts and cuts them. A connection counts as admitted once its first byte is there: until then it
// costs one descriptor, and makes way when descriptors run short. Loop only.
class Acceptor {
 public:
  // Takes a connection over: a descriptor that is the receiver's own. False: it can't, and the
  // connection is closed.
  using Receiver = std::function<bool(const Identity&, UniqueFd)>;

  // Admits callers over Unix sockets whose uid is `owner_uid` or 0.
  Acceptor(asio::io_context& loop, uint32_t owner_uid, Receiver receiver);
  ~Acceptor();

  void Listen(const Address& address, UniqueFd socket);
  // Accepts no more and drops what is not admitted; admitted connections go on.
  void Stop();

 private:
  struct Listener {
    Address address;
    asio::posix::stream_descriptor socket;
    // Accepts again after a failure.
    asio::steady_timer retry;
  };
  struct Connection {
    Identity identity;
    asio::posix::stream_descriptor socket;
    asio::steady_timer first_byte;
    bool admitted = false;
  };
  using Connections = std::list<Connection>;

  void AwaitConnection(Listener& listener);
  void AcceptAll(Listener& listener);
  void OnAcceptFailure(Listener& listener, int error);
  bool MakeRoom();
  void Add(const Address& address, UniqueFd socket);
  void AwaitFirstByte(Connections::iterator connection);
  void Admit(Connections::iterator connection);

  asio::io_context& loop_;
  const uint32_t owner_uid_;
  const Receiver receiver_;
  const size_t max_connections_;
  // Given up to accept, and refuse, one connection when no descriptor is left.
  UniqueFd reserve_;
  std::list<Listener> listeners_;
  // Oldest first: waiting for their first byte, and admitted.
  Connections waiting_, admitted_;
};

}  // namespace nacre
