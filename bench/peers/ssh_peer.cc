#include "bench/peers/ssh_peer.h"

#include "absl/strings/str_cat.h"
#include "bench/child.h"
#include "bench/io.h"

namespace nacre::bench {
namespace {

// Runs an ssh process and counts what it prints.
absl::Status RunAndCount(const std::vector<std::string>& argv, uint64_t bytes) {
  auto child = Child::Spawn(argv);
  if (!child.ok()) return child.status();
  absl::Status taken = Skip(child->out(), bytes);
  const auto rest = child->Finish();
  if (!rest.ok()) return rest.status();
  if (!taken.ok()) return taken;
  return rest->empty() ? absl::OkStatus() : absl::DataLossError("ssh printed more than it should");
}

}  // namespace

absl::StatusOr<std::unique_ptr<SshPeer>> SshPeer::Start() {
  const auto listener = LoopbackListener::Open();
  if (!listener.ok()) return listener.status();
  auto setup = SshSetup::Make(listener->address());
  if (!setup.ok()) return setup.status();
  std::unique_ptr<SshPeer> peer(new SshPeer(*std::move(setup)));
  if (absl::Status status = peer->Connect(*listener); !status.ok()) return status;
  return peer;
}

absl::Status SshPeer::Connect(const LoopbackListener& listener) {
  std::vector<std::string> argv = Ssh();
  // The local command runs once the control socket listens.
  argv.insert(argv.end(), {"-M", "-N", "-o", "PermitLocalCommand=yes", "-o",
                           "LocalCommand=echo ready", SshSetup::kHost});
  auto master = PeerProcess::Start(argv);
  if (!master.ok()) return master.status();
  master_ = *std::move(master);
  absl::Status status = AwaitReadable({listener.fd(), master_->out()});
  if (!status.ok()) return status;
  auto connection = listener.Accept();
  if (!connection.ok()) return absl::UnavailableError("ssh: " + master_->Errors());
  auto daemon = PeerProcess::Start(setup_.SshdCommand({"-i"}), *std::move(connection));
  if (!daemon.ok()) return daemon.status();
  daemon_ = *std::move(daemon);
  if (const auto ready = master_->ReadLine(); !ready.ok()) {
    return absl::UnavailableError(absl::StrCat("sshd: ", daemon_->Errors(),
                                               "; ssh: ", std::string(ready.status().message())));
  }
  return absl::OkStatus();
}

std::vector<std::string> SshPeer::Ssh() const {
  return {SshSetup::kSsh, "-F", setup_.client_configuration(), "-S", setup_.File("control")};
}

absl::StatusOr<std::vector<Operation>> SshPeer::NewClients(int count, const std::string& command,
                                                           uint64_t reply_bytes) {
  std::vector<std::string> argv = Ssh();
  argv.insert(argv.end(), {SshSetup::kHost, command});
  const Operation client = [argv, reply_bytes] { return RunAndCount(argv, reply_bytes); };
  return std::vector<Operation>(static_cast<size_t>(count), client);
}

}  // namespace nacre::bench
