#pragma once

#include <asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <functional>
#include <memory>

#include "compat/reply.h"
#include "compat/services.h"

namespace nacre::compat {

// Sends one reply on a connection: bytes from the loop; files by sendfile(2) from a disk thread, on
// a descriptor of its own, so that the connection may be closed meanwhile. Loop only.
class ReplySender : public std::enable_shared_from_this<ReplySender> {
 public:
  // Told whenever the client has taken something, and once at the end: false, it takes no more.
  // Both not after Stop, nor from within Send.
  struct Events {
    std::function<void()> on_progress;
    std::function<void(bool)> on_done;
  };

  // The socket outlives the sender, or Stop is called before it goes.
  static std::shared_ptr<ReplySender> Send(Services& services,
                                           asio::posix::stream_descriptor& socket, Reply reply,
                                           Events events);
  void Stop() { stopped_ = true; }

 private:
  // How far one turn of the disk thread came.
  struct FileTurn {
    uint64_t sent;
    int error;
  };

  ReplySender(Services& services, asio::posix::stream_descriptor& socket, Reply reply,
              Events events);

  void Continue();
  void SendBytes();
  void StartFileTurn();
  static FileTurn SendFile(int socket, const Reply::Piece& piece, uint64_t offset);
  void OnSent(uint64_t sent, int error);
  void End(bool ok);

  Services& services_;
  asio::posix::stream_descriptor& socket_;
  const Reply reply_;
  const Events events_;
  bool stopped_ = false;
  // The piece being sent, and what of it is sent.
  size_t piece_ = 0;
  uint64_t offset_ = 0;
};

}  // namespace nacre::compat
