#pragma once

#include <cstdint>
#include <optional>
#include <string>

// Who is at the other end of a connected socket. Any thread.
namespace nacre {

// The user id of a Unix socket's peer when it connected; nothing where the kernel does not say.
std::optional<uint32_t> PeerUid(int socket);

// The peer's numeric IP address; all of 127.0.0.0/8 is "127.0.0.1", since it is this machine. "?"
// of a peer that is gone.
std::string PeerHost(int socket);

// Whether the connection is broken, both sides have ended it, or something is out of band. Who
// waits for that by Asio has to ask: it may be woken for a connection that was closed, and whose
// place in Asio's reactor its own has taken.
bool PeerIsGone(int socket);

}  // namespace nacre
