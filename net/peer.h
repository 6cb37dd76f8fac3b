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

}  // namespace nacre
