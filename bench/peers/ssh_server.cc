#include "bench/peers/ssh_server.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/child.h"
#include "bench/interruption.h"
#include "bench/tcp.h"

namespace nacre::bench {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(10);
constexpr absl::Duration kPollInterval = absl::Milliseconds(50);

// A port that is free now: sshd opens its own socket.
absl::StatusOr<Address> FreeAddress() {
  const auto listener = LoopbackListener::Open();
  if (!listener.ok()) return listener.status();
  return listener->address();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SshServer>> SshServer::Start() {
  const auto address = FreeAddress();
  if (!address.ok()) return address.status();
  auto setup = SshSetup::Make(*address);
  if (!setup.ok()) return setup.status();
  std::unique_ptr<SshServer> server(new SshServer(*std::move(setup)));
  auto daemon = PeerProcess::Start(server->setup_.SshdCommand({"-D"}));
  if (!daemon.ok()) return daemon.status();
  server->daemon_ = *std::move(daemon);
  if (absl::Status status = server->AwaitService(); !status.ok()) return status;
  return server;
}

absl::Status SshServer::AwaitService() const {
  const absl::Time deadline = absl::Now() + kStartTimeout;
  for (;;) {
    auto client =
        Child::Spawn({SshSetup::kSsh, "-F", client_configuration(), SshSetup::kHost, "true"});
    if (!client.ok()) return client.status();
    absl::Status status = client->Finish().status();
    if (status.ok()) return status;
    if (Interrupted() != 0) return absl::CancelledError("interrupted");
    if (absl::Now() > deadline) {
      return absl::UnavailableError(
          absl::StrCat("sshd: ", daemon_->Errors(), "; ssh: ", std::string(status.message())));
    }
    absl::SleepFor(kPollInterval);
  }
}

}  // namespace nacre::bench
