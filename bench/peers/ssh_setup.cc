#include "bench/peers/ssh_setup.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "bench/child.h"

namespace nacre::bench {
namespace {

constexpr char kSshKeygen[] = "/usr/bin/ssh-keygen";
constexpr char kSshd[] = "/usr/sbin/sshd";

// Where sshd as root wants an empty directory (Debian's build).
constexpr char kSeparationDirectory[] = "/run/sshd";

// bash would read ~/.bashrc under an sshd unless it takes itself for the shell of a shell: SHLVL.
constexpr char kSshdConfig[] = R"(AuthenticationMethods publickey
AuthorizedKeysFile "$DIR/user_key.pub"
HostKey "$DIR/host_key"
KbdInteractiveAuthentication no
ListenAddress $HOST
LogLevel INFO
MaxSessions 100
PasswordAuthentication no
PermitRootLogin prohibit-password
PermitUserRC no
PidFile none
Port $PORT
SetEnv SHLVL=1
StrictModes no
Subsystem sftp /usr/lib/openssh/sftp-server
UseDNS no
UsePAM no
)";

constexpr char kSshConfig[] = R"(Host nacre-bench
BatchMode yes
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

}  // namespace

absl::StatusOr<SshSetup> SshSetup::Make(const Address& address) {
  for (const char* program : {kSsh, kSshKeygen, kSshd}) {
    if (access(program, X_OK) != 0) return absl::NotFoundError("not installed");
  }
  auto scratch = ScratchDirectory::Make();
  if (!scratch.ok()) return scratch.status();
  SshSetup setup(*std::move(scratch));
  absl::Status status = setup.MakeKeys();
  if (status.ok()) status = setup.WriteConfigurations(address);
  if (!status.ok()) return status;
  return setup;
}

absl::Status SshSetup::MakeKeys() const {
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

absl::Status SshSetup::WriteConfigurations(const Address& address) const {
  const std::string port = absl::StrCat(address.port);
  const auto fill = [&](const char* text) {
    return absl::StrReplaceAll(
        text, {{"$DIR", scratch_.path()}, {"$HOST", address.host}, {"$PORT", port}});
  };
  absl::Status status = scratch_.Write("sshd_config", fill(kSshdConfig));
  status.Update(scratch_.Write("ssh_config", fill(kSshConfig)));
  return status;
}

// Root's sshd gets the directory that it wants in a /run of its own, so that nobody else sees it.
std::vector<std::string> SshSetup::SshdCommand(const std::vector<std::string>& options) const {
  std::vector<std::string> argv;
  if (geteuid() == 0 && access(kSeparationDirectory, F_OK) != 0) {
    argv = {"/usr/bin/unshare",
            "--mount",
            "/bin/sh",
            "-c",
            "mount -t tmpfs -o mode=0755 nacre-bench /run && mkdir -m 0755 \"$0\" && exec \"$@\"",
            kSeparationDirectory};
  }
  argv.insert(argv.end(), {kSshd, "-e", "-f", scratch_.File("sshd_config")});
  argv.insert(argv.end(), options.begin(), options.end());
  return argv;
}

}  // namespace nacre::bench
