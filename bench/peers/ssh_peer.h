#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/peers/command_server.h"
#include "bench/peers/peer_process.h"
#include "bench/peers/ssh_setup.h"
#include "bench/tcp.h"

namespace nacre::bench {

// OpenSSH: one sshd of our own with one connection over loopback, kept by a ControlMaster. A client
// is an ssh process for each command, over that connection; commands run by the login shell of our
// user. All goes with this object. Clients may be used from any thread.
class SshPeer : public CommandServer {
 public:
  // NOT_FOUND: OpenSSH is not installed. Other errors say why it doesn't serve here.
  static absl::StatusOr<std::unique_ptr<SshPeer>> Start();

  absl::StatusOr<std::vector<Operation>> NewClients(int count, const std::string& command,
                                                    uint64_t reply_bytes) override;

 private:
  explicit SshPeer(SshSetup setup) : setup_(std::move(setup)) {}

  absl::Status Connect(const LoopbackListener& listener);
  std::vector<std::string> Ssh() const;

  const SshSetup setup_;
  std::unique_ptr<PeerProcess> master_, daemon_;
};

}  // namespace nacre::bench
