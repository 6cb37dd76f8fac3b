#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <memory>
#include <vector>

#include "base/address.h"
#include "base/unique_fd.h"

namespace nacre {

// Accepts connections on the keeper's listening sockets. Loses no listener and does not spin when
// descriptors run out: with a reserve it accepts and closes one connection, and goes on a moment
// later. Loop only.
class AcceptLoop {
 public:
  // Where connections go; outlives the loop.
  class Receiver {
   public:
    virtual ~Receiver() = default;
    // A connection that `listener` accepted: non-blocking, close-on-exec.
    virtual void OnConnection(const Address& listener, UniqueFd socket) = 0;
    // Descriptors have run out: the receiver gives up what it can do without.
    virtual void OnShortage() = 0;
  };

  AcceptLoop(asio::io_context& loop, Receiver& receiver);

  void Listen(const Address& address, UniqueFd socket);
  // Closes its listening sockets.
  void Stop() { listeners_.clear(); }

 private:
  struct Listener {
    Address address;
    asio::posix::stream_descriptor socket;
    // Accepts again after a failure.
    asio::steady_timer retry;
  };

  using Handle = std::shared_ptr<Listener>;

  void AwaitConnection(const Handle& listener);
  void AcceptAll(const Handle& listener);
  void OnFailure(const Handle& listener, int error);

  asio::io_context& loop_;
  Receiver& receiver_;
  // Given up to accept, and refuse, one connection when no descriptor is left.
  UniqueFd reserve_;
  // Others hold them weakly: a call may already be on its way when they stop.
  std::vector<std::shared_ptr<Listener>> listeners_;
};

}  // namespace nacre
