#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/peers/peer_process.h"
#include "bench/peers/ssh_setup.h"

namespace nacre::bench {

// OpenSSH: one sshd of our own that listens on loopback, for clients that make a connection each.
// Goes with this object. Not thread-safe.
class SshServer {
 public:
  // Returns once it has served a client. NOT_FOUND: OpenSSH is not installed. Other errors say why
  // it doesn't serve here.
  static absl::StatusOr<std::unique_ptr<SshServer>> Start();

  // Clients find it as SshSetup::kHost of this configuration.
  std::string client_configuration() const { return setup_.client_configuration(); }

 private:
  explicit SshServer(SshSetup setup) : setup_(std::move(setup)) {}

  absl::Status AwaitService() const;

  const SshSetup setup_;
  std::unique_ptr<PeerProcess> daemon_;
};

}  // namespace nacre::bench
