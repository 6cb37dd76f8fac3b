// nacre-front: wires keeper link, executor, gRPC and the compatibility port together. Started by
// nacred only.

#include <google/protobuf/stubs/logging.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
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
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "compat/compat_server.h"
#include "config/compat_listener.h"
#include "config/label.h"
#include "config/secret_file.h"
#include "executor/executor.h"
#include "executor/keeper_link.h"
#include "executor/policy.h"
#include "net/fd_budget.h"
#include "server/acceptor.h"
#include "server/confine.h"
#include "server/grpc_servers.h"
#include "server/node_facts.h"

namespace nacre {
namespace {

constexpr int kMebibyte = 1 << 20;
constexpr int kChannelFd = STDIN_FILENO;
// How long streams may take to deliver their last output once no command runs.
constexpr auto kDeliveryTime = std::chrono::seconds(10);
// How long sessions may go on when this process alone is told to end.
constexpr auto kOwnDrainTime = std::chrono::seconds(10);
// How long a front that has retired may take to finish replies of the compatibility port, and how
// long it tells its callers to call again before it closes their connections, so that they call
// another.
constexpr auto kRetiredTime = std::chrono::seconds(60);
constexpr auto kFarewellTime = std::chrono::milliseconds(100);
// How often memory that a crowd of sessions has left free goes back to the system.
const absl::Duration kTidyTime = absl::Seconds(5);

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
  std::vector<CompatListener> compat;
  uint64_t spool_limit = 0;
  int64_t stream_idle_ns = 0;
  std::map<std::string, std::string> labels;
};

absl::Status AddCompat(const std::vector<std::string>& texts, Options* options) {
  for (const std::string& text : texts) {
    auto listener = CompatListener::Parse(text);
    if (!listener.ok()) return listener.status();
    options->compat.push_back(*std::move(listener));
  }
  return absl::OkStatus();
}

absl::Status AddLabels(const std::vector<std::string>& texts, Options* options) {
  auto labels = ParseLabels(texts);
  if (!labels.ok()) return labels.status();
  options->labels = *std::move(labels);
  return absl::OkStatus();
}

// Everything of a running front; members in the order of what they need.
class Front {
 public:
  Front(asio::io_context& loop, KeeperLink& link, const Options& options)
      : loop_(loop),
        options_(options),
        policy_(MakePolicy(link.welcome())),
        executor_(loop, link, policy_),
        servers_(loop, executor_, GatherFacts(link.welcome(), options), options.stream_idle_ns),
        grpc_fds_(FdBudget::OfThisProcess() / (options.compat.empty() ? 1 : 2)),
        acceptor_(loop, grpc_fds_, policy_,
                  [this](const Identity& identity, UniqueFd connection) {
                    const absl::Status status = servers_.Serve(identity, std::move(connection));
                    if (!status.ok()) {
                      log::Warning("%s: %s", identity.name, std::string(status.message()));
                    }
                    return status.ok();
                  }),
        hurry_(loop) {}

  // Serves the keeper's sockets: "compat-N" is the N-th of options_.compat, the others are gRPC's.
  absl::Status Listen(const keeper::v1::Welcome& welcome, SeqpacketKeeperLink::Sockets sockets) {
    if (!options_.compat.empty()) {
      compat_ =
          std::make_unique<compat::CompatServer>(loop_, executor_, FdBudget::OfThisProcess() / 2,
                                                 std::move(sockets.spool), options_.spool_limit);
    }
    size_t next_compat = 0;
    for (size_t i = 0; i < sockets.listeners.size(); ++i) {
      const keeper::v1::Listener& listener = welcome.listeners(static_cast<int>(i));
      auto address = Address::Parse(listener.address());
      if (!address.ok()) return address.status();
      if (!absl::StartsWith(listener.name(), "compat-")) {
        acceptor_.Listen(*address, std::move(sockets.listeners[i]));
        continue;
      }
      if (next_compat == options_.compat.size()) {
        return absl::InternalError("a listener without its --compat: " + listener.name());
      }
      CompatListener compat = options_.compat[next_compat++];
      compat.address = *std::move(address);
      std::optional<Secret> secret;
      if (!listener.secret().empty()) secret = Secret{listener.secret_name(), listener.secret()};
      compat_->Listen(compat, std::move(secret), std::move(sockets.listeners[i]));
    }
    return absl::OkStatus();
  }

  void OnEvent(const keeper::v1::KeeperEvent& event, UniqueFd fd) {
    if (event.has_drain()) {
      // Before it has the sessions that there are, it would find that none is left.
      if (adopted_) Drain();
      drain_once_adopted_ = !adopted_;
      return;
    }
    if (event.has_retire()) {
      Retire();
      return;
    }
    executor_.OnEvent(event, std::move(fd));
    if (!event.has_adoption_done()) return;
    adopted_ = true;
    if (drain_once_adopted_) Drain();
    if (executor_.running() > 0) log::Info("adopted %d sessions that run", executor_.running());
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
    StopAccepting();
    acceptor_.DropWaiting();
    executor_.Stop([this] {
      if (!drained_.HasBeenNotified()) drained_.Notify();
    });
  }

  // Another front takes over. Loop only.
  void Retire() {
    if (std::exchange(draining_, true)) return;
    retired_ = true;
    StopAccepting();
    executor_.Retire();
    log::Info("retired: %d sessions of old clients are finished here", executor_.running());
    // Whoever calls meanwhile is told to call again. gRPC's own shutdown would cancel them.
    hurry_.expires_after(kFarewellTime);
    hurry_.async_wait([this](std::error_code error) {
      if (error) return;
      acceptor_.Cut();
      if (!drained_.HasBeenNotified()) drained_.Notify();
    });
  }

  void AwaitDrained() {
    while (!drained_.WaitForNotificationWithTimeout(kTidyTime)) malloc_trim(0);
  }
  // Waits until the last output is delivered, as long as that may take.
  void AwaitDelivered() {
    const absl::Time now = absl::Now();
    const absl::Time deadline = now + absl::FromChrono(retired_ ? kRetiredTime : kDeliveryTime);
    servers_.Shutdown(absl::ToChronoTime(retired_ ? now : deadline));
    compat_drained_.WaitForNotificationWithTimeout(deadline - absl::Now());
  }
  // Once the loop runs no more.
  void Shutdown() {
    if (compat_ != nullptr) compat_->Shutdown();
  }

 private:
  static OwnerPolicy MakePolicy(const keeper::v1::Welcome& welcome) {
    std::vector<NodeUser> run_as;
    for (const keeper::v1::User& user : welcome.users())
      run_as.push_back({user.uid(), user.name()});
    return OwnerPolicy({welcome.uid(), welcome.user()}, std::move(run_as),
                       welcome.insecure_loopback());
  }

  static v1::Node GatherFacts(const keeper::v1::Welcome& welcome, const Options& options) {
    NodeFacts own{.version = NACRE_VERSION, .dialects = {}, .labels = options.labels};
    for (const CompatListener& compat : options.compat) {
      own.dialects.emplace_back(ToString(compat.dialect));
    }
    return GatherNodeFacts(welcome, own);
  }

  void StopAccepting() {
    acceptor_.Stop();
    servers_.StopServing();
    if (compat_ != nullptr) {
      compat_->Drain([this] { compat_drained_.Notify(); });
    } else {
      compat_drained_.Notify();
    }
  }

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
  bool adopted_ = false, draining_ = false, drain_once_adopted_ = false;
  // Set on the loop before `drained_` is notified.
  bool retired_ = false;
  absl::Notification drained_, compat_drained_;
};

absl::Status Serve(const Options& options) {
  asio::io_context loop(1);
  SeqpacketKeeperLink::Sockets sockets;
  auto link = SeqpacketKeeperLink::Connect(UniqueFd(kChannelFd), NACRE_VERSION, loop, &sockets);
  if (!link.ok()) return link.status();
  Front front(loop, **link, options);
  // Without a keeper there is nothing to serve and nothing to save.
  (*link)->Run([&](const keeper::v1::KeeperEvent& event,
                   UniqueFd fd) { front.OnEvent(event, std::move(fd)); },
               [] { _exit(1); });
  keeper::v1::FrontRequest prepared;
  prepared.mutable_prepared();
  (*link)->Send(prepared, UniqueFd());
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
  std::vector<std::string> compat, labels;
  app.add_option("--compat", compat);
  app.add_option("--label", labels);
  app.add_option("--spool-limit", options.spool_limit);
  app.add_option("--stream-idle-ns", options.stream_idle_ns);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error, not an end
  // Debian's Abseil is built with it, and gRPC locks a lot.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  ScrubEnvironment();
  // What callers send is their affair, and gRPC tells them.
  google::protobuf::SetLogHandler(nullptr);
  // Messages come and go: their memory is used again instead of being asked of the kernel each
  // time.
  mallopt(M_MMAP_THRESHOLD, 4 * kMebibyte);
  mallopt(M_TRIM_THRESHOLD, 8 * kMebibyte);
  log::Init("nacre-front", levels.at(log_level));
  struct stat channel;
  if (fstat(kChannelFd, &channel) != 0 || !S_ISSOCK(channel.st_mode)) {
    log::Error("nacre-front is started by nacred, not by hand");
    return 2;
  }
  absl::Status parsed = AddCompat(compat, &options);
  parsed.Update(AddLabels(labels, &options));
  if (!parsed.ok()) {
    log::Error("%s", std::string(parsed.message()));
    return 1;
  }
  prctl(PR_SET_NAME,
        "nacre-front");  // before Linux 6.14 it is a number, as we are run by descriptor
  if (absl::Status status = Confine(); !status.ok()) {
    log::Error("%s", std::string(status.message()));
    return 1;
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
