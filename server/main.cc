// nacre-front: wires keeper link, executor, gRPC and the compatibility port together. Started by
// nacred only.

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "compat/compat_server.h"
#include "config/compat_listener.h"
#include "executor/executor.h"
#include "executor/keeper_link.h"
#include "executor/policy.h"
#include "net/fd_budget.h"
#include "server/acceptor.h"
#include "server/grpc_servers.h"

namespace nacre {
namespace {

constexpr int kChannelFd = 3;
// How long streams may take to deliver their last output once no command runs.
constexpr auto kDeliveryTime = std::chrono::seconds(10);
// How long sessions may go on when this process alone is told to end.
constexpr auto kOwnDrainTime = std::chrono::seconds(10);

// Settings meant for some other gRPC program must not reach this one.
void ScrubEnvironment() {
  std::vector<std::string> names;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string name(*variable, strcspn(*variable, "="));
    if (name.starts_with("GRPC_") || name.ends_with("_proxy") || name.ends_with("_PROXY")) {
      names.push_back(name);
    }
  }
  for (const std::string& name : names) unsetenv(name.c_str());
}

struct Options {
  // Of each compatibility listener; see CompatListener.
  std::vector<std::string> compat;
  std::string spool_dir;
  uint64_t spool_limit = 0;
};

// Everything of a running front; members in the order of what they need.
class Front {
 public:
  Front(asio::io_context& loop, KeeperLink& link, const Options& options)
      : loop_(loop),
        options_(options),
        policy_(link.welcome().uid(), link.welcome().insecure_loopback()),
        executor_(loop, link, policy_),
        servers_(loop, executor_),
        grpc_fds_(FdBudget::OfThisProcess() / (options.compat.empty() ? 1 : 2)),
        acceptor_(loop, grpc_fds_, link.welcome().uid(),
                  [this](const Identity& identity, UniqueFd connection) {
                    const absl::Status status = servers_.Serve(identity, std::move(connection));
                    if (!status.ok()) {
                      log::Warning("%s: %s", identity.name, std::string(status.message()));
                    }
                    return status.ok();
                  }),
        hurry_(loop) {}

  // Serves the keeper's sockets: "compat-N" is the N-th of options_.compat, the others are gRPC's.
  absl::Status Listen(const keeper::v1::Welcome& welcome, std::vector<UniqueFd> sockets) {
    if (!options_.compat.empty()) {
      compat_ =
          std::make_unique<compat::CompatServer>(loop_, executor_, FdBudget::OfThisProcess() / 2,
                                                 options_.spool_dir, options_.spool_limit);
    }
    size_t next_compat = 0;
    for (size_t i = 0; i < sockets.size(); ++i) {
      const keeper::v1::Listener& listener = welcome.listeners(static_cast<int>(i));
      auto address = Address::Parse(listener.address());
      if (!address.ok()) return address.status();
      if (!absl::StartsWith(listener.name(), "compat-")) {
        acceptor_.Listen(*address, std::move(sockets[i]));
        continue;
      }
      if (next_compat == options_.compat.size()) {
        return absl::InternalError("a listener without its --compat: " + listener.name());
      }
      auto compat = CompatListener::Parse(options_.compat[next_compat++]);
      if (!compat.ok()) return compat.status();
      compat->address = *std::move(address);
      compat_->Listen(*compat, std::move(sockets[i]));
    }
    return absl::OkStatus();
  }

  void OnEvent(const keeper::v1::KeeperEvent& event, UniqueFd fd) {
    if (event.has_drain()) {
      Drain();
    } else if (event.has_adoption_done()) {
      adopted_ = true;
      if (executor_.running() > 0) log::Info("adopted %d sessions that run", executor_.running());
    } else {
      executor_.OnEvent(event, std::move(fd));
    }
  }

  bool adopted() const { return adopted_; }
  bool draining() const { return draining_; }

  // SIGTERM to this process alone: its listeners wait meanwhile, so its sessions do not get for
  // ever.
  void DrainSoon() {
    Drain();
    hurry_.expires_after(kOwnDrainTime);
    hurry_.async_wait([this](std::error_code error) {
      if (!error && !drained_.HasBeenNotified()) drained_.Notify();
    });
  }

  // Takes no more; `drained` is notified when the last command has ended. Loop only.
  void Drain() {
    if (std::exchange(draining_, true)) return;
    log::Info("draining: %d sessions", executor_.running());
    acceptor_.Stop();
    servers_.StopServing();
    if (compat_ != nullptr) {
      compat_->Drain([this] { compat_drained_.Notify(); });
    } else {
      compat_drained_.Notify();
    }
    executor_.Drain([this] {
      if (!drained_.HasBeenNotified()) drained_.Notify();
    });
  }

  void AwaitDrained() { drained_.WaitForNotification(); }
  // Waits until the last output is delivered, as long as that may take.
  void AwaitDelivered() {
    const absl::Time deadline = absl::Now() + absl::FromChrono(kDeliveryTime);
    servers_.Shutdown(absl::ToChronoTime(deadline));
    compat_drained_.WaitForNotificationWithTimeout(deadline - absl::Now());
  }
  // Once the loop runs no more.
  void Shutdown() {
    if (compat_ != nullptr) compat_->Shutdown();
  }

 private:
  asio::io_context& loop_;
  const Options& options_;
  const OwnerPolicy policy_;
  Executor executor_;
  GrpcServers servers_;
  // Beside a compatibility port half of what there is, so that neither can lock the other out.
  FdBudget grpc_fds_;
  Acceptor acceptor_;
  std::unique_ptr<compat::CompatServer> compat_;
  asio::steady_timer hurry_;
  bool adopted_ = false, draining_ = false;
  absl::Notification drained_, compat_drained_;
};

absl::Status Serve(const Options& options) {
  asio::io_context loop(1);
  std::vector<UniqueFd> sockets;
  auto link = SeqpacketKeeperLink::Connect(UniqueFd(kChannelFd), NACRE_VERSION, loop, &sockets);
  if (!link.ok()) return link.status();
  Front front(loop, **link, options);
  // Without a keeper there is nothing to serve and nothing to save.
  (*link)->Run([&](const keeper::v1::KeeperEvent& event,
                   UniqueFd fd) { front.OnEvent(event, std::move(fd)); },
               [] { _exit(1); });
  // First the sessions of the front before, then callers who may ask for them.
  while (!front.adopted()) loop.run_one();
  if (!front.draining()) {
    absl::Status status = front.Listen((*link)->welcome(), std::move(sockets));
    if (!status.ok()) return status;
  }
  asio::signal_set signals(loop, SIGTERM, SIGINT);
  signals.async_wait([&](std::error_code error, int) {
    if (!error) front.DrainSoon();
  });
  keeper::v1::FrontRequest ready;
  ready.mutable_ready();
  (*link)->Send(ready, UniqueFd());

  auto work = asio::make_work_guard(loop);
  std::thread thread([&] { loop.run(); });
  front.AwaitDrained();
  front.AwaitDelivered();
  loop.stop();
  thread.join();
  front.Shutdown();
  loop.restart();
  loop.poll();  // what was cancelled lets go of the front's parts
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  CLI::App app("Nacre's network process. Started by nacred, which hands it its channel.",
               "nacre-front");
  std::string log_level = "info";
  const std::map<std::string, log::Level> levels = {{"debug", log::Level::kDebug},
                                                    {"info", log::Level::kInfo},
                                                    {"warning", log::Level::kWarning},
                                                    {"error", log::Level::kError}};
  app.set_version_flag("--version", "nacre-front " NACRE_VERSION);
  app.add_option("--log-level", log_level)
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  Options options;
  app.add_option("--compat", options.compat);
  app.add_option("--spool-dir", options.spool_dir);
  app.add_option("--spool-limit", options.spool_limit);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_IGN);
  ScrubEnvironment();
  log::Init("nacre-front", levels.at(log_level));
  if (fcntl(kChannelFd, F_GETFD) < 0) {
    log::Error("nacre-front is started by nacred, not by hand");
    return 2;
  }
  if (absl::Status status = Serve(options); !status.ok()) {
    log::Error("%s", std::string(status.message()));
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace nacre

int main(int argc, char** argv) { return nacre::Main(argc, argv); }
