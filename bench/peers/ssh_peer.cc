#include "bench/peers/ssh_peer.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "bench/child.h"
#include "bench/io.h"

namespace nacre::bench {
namespace {

constexpr char kSsh[] = "/usr/bin/ssh";
constexpr char kSshKeygen[] = "/usr/bin/ssh-keygen";
constexpr char kSshd[] = "/usr/sbin/sshd";
constexpr char kHost[] = "nacre-bench";

// Where sshd as root wants an empty directory (Debian's build).
constexpr char kSeparationDirectory[] = "/run/sshd";

// bash would read ~/.bashrc under an sshd unless it takes itself for the shell of a shell: SHLVL.
constexpr char kSshdConfig[] = R"(HostKey "$DIR/host_key"
AuthorizedKeysFile "$DIR/user_key.pub"
AuthenticationMethods publickey
KbdInteractiveAuthentication no
LogLevel INFO
MaxSessions 100
PasswordAuthentication no
PermitRootLogin prohibit-password
PermitUserRC no
PidFile none
SetEnv SHLVL=1
StrictModes no
UseDNS no
UsePAM no
)";

constexpr char kSshConfig[] = R"(Host nacre-bench
BatchMode yes
ControlPath "$DIR/control"
GlobalKnownHostsFile none
HostKeyAlias nacre-bench
HostName $HOST
IdentitiesOnly yes
IdentityAgent none
IdentityFile "$DIR/user_key"
LogLevel ERROR
Port $PORT
StrictHostKeyChecking yes
UpdateHostKeys no
UserKnownHostsFile "$DIR/known_hosts"
)";

// sshd for one connection. Root's gets the directory that it wants in a /run of its own, so that
// nobody else sees it.
std::vector<std::string> SshdCommand(const std::string& config) {
  std::vector<std::string> argv;
  if (geteuid() == 0 && access(kSeparationDirectory, F_OK) != 0) {
    argv = {"/usr/bin/unshare",
            "--mount",
            "/bin/sh",
            "-c",
            "mount -t tmpfs -o mode=0755 nacre-bench /run && mkdir -m 0755 \"$0\" && exec \"$@\"",
            kSeparationDirectory};
  }
  argv.insert(argv.end(), {kSshd, "-i", "-e", "-f", config});
  return argv;
}

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
  for (const char* program : {kSsh, kSshKeygen, kSshd}) {
    if (access(program, X_OK) != 0) return absl::NotFoundError("not installed");
  }
  auto scratch = ScratchDirectory::Make();
  if (!scratch.ok()) return scratch.status();
  std::unique_ptr<SshPeer> peer(new SshPeer(*std::move(scratch)));
  const auto listener = LoopbackListener::Open();
  if (!listener.ok()) return listener.status();
  absl::Status status = peer->MakeKeys();
  if (status.ok()) status = peer->WriteConfigurations(listener->address());
  if (status.ok()) status = peer->Connect(*listener);
  if (!status.ok()) return status;
  return peer;
}

absl::Status SshPeer::MakeKeys() {
  for (const char* name : {"host_key", "user_key"}) {
    auto child =
        Child::Spawn({kSshKeygen, "-q", "-t", "ed25519", "-N", "", "-f", scratch_.File(name)});
    if (!child.ok()) return child.status();
    if (auto printed = child->Finish(); !printed.ok()) return printed.status();
  }
  const auto host_key = scratch_.Read("host_key.pub");
  if (!host_key.ok()) return host_key.status();
  return scratch_.Write("known_hosts", absl::StrCat(kHost, " ", *host_key));
}

absl::Status SshPeer::WriteConfigurations(const Address& address) {
  const std::string port = absl::StrCat(address.port);
  const auto fill = [&](const char* text) {
    return absl::StrReplaceAll(
        text, {{"$DIR", scratch_.path()}, {"$HOST", address.host}, {"$PORT", port}});
  };
  absl::Status status = scratch_.Write("sshd_config", fill(kSshdConfig));
  status.Update(scratch_.Write("ssh_config", fill(kSshConfig)));
  return status;
}

absl::Status SshPeer::Connect(const LoopbackListener& listener) {
  std::vector<std::string> argv = Ssh();
  // The local command runs once the control socket listens.
  argv.insert(argv.end(),
              {"-M", "-N", "-o", "PermitLocalCommand=yes", "-o", "LocalCommand=echo ready", kHost});
  auto master = PeerProcess::Start(argv);
  if (!master.ok()) return master.status();
  master_ = *std::move(master);
  absl::Status status = AwaitReadable({listener.fd(), master_->out()});
  if (!status.ok()) return status;
  auto connection = listener.Accept();
  if (!connection.ok()) return absl::UnavailableError("ssh: " + master_->Errors());
  auto daemon =
      PeerProcess::Start(SshdCommand(scratch_.File("sshd_config")), *std::move(connection));
  if (!daemon.ok()) return daemon.status();
  daemon_ = *std::move(daemon);
  if (const auto ready = master_->ReadLine(); !ready.ok()) {
    return absl::UnavailableError(absl::StrCat("sshd: ", daemon_->Errors(),
                                               "; ssh: ", std::string(ready.status().message())));
  }
  return absl::OkStatus();
}

std::vector<std::string> SshPeer::Ssh() const {
  return {kSsh, "-F", scratch_.File("ssh_config"), "-S", scratch_.File("control")};
}

absl::StatusOr<std::vector<Operation>> SshPeer::NewClients(int count, const std::string& command,
                                                           uint64_t reply_bytes) {
  std::vector<std::string> argv = Ssh();
  argv.insert(argv.end(), {kHost, command});
  const Operation client = [argv, reply_bytes] { return RunAndCount(argv, reply_bytes); };
  return std::vector<Operation>(static_cast<size_t>(count), client);
}

}  // namespace nacre::bench
