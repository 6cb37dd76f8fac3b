#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "base/address.h"
#include "base/unique_fd.h"

// Blocking TCP sockets that send at once (TCP_NODELAY).
namespace nacre::bench {

// A connection on which no read or write lasts longer than two minutes.
absl::StatusOr<UniqueFd> ConnectTcp(const Address& address);

// A loopback port of the kernel's choice.
class LoopbackListener {
 public:
  static absl::StatusOr<LoopbackListener> Open();

  const Address& address() const { return address_; }
  // Readable when there is a connection to accept.
  int fd() const { return socket_.get(); }
  // UNAVAILABLE: nobody has connected.
  absl::StatusOr<UniqueFd> Accept() const;

 private:
  LoopbackListener() = default;

  UniqueFd socket_;
  Address address_ = {.kind = Address::Kind::kTcp, .path = "", .host = "127.0.0.1", .port = 0};
};

}  // namespace nacre::bench
