// nacre drain
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/cli/descriptors.h"
#include "client/cli/exit_status.h"
#include "client/cli/json.h"
#include "client/cli/options.h"
#include "client/cli/report.h"
#include "client/cli/verbs.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
The node takes no new sessions from now on, until --undo or a restart of its daemon. Those that run go on, and
can be attached to and waited for as before. Only root and the user of the daemon may do this.

Examples:
  nacre drain
  nacre drain --wait --timeout 10m && sudo systemctl restart nacred
  nacre drain --undo

Exit status: 0 when it is done; 124 if sessions still run when the timeout has passed; 1 if it can't be done.)";

constexpr absl::Duration kFirstLook = absl::Milliseconds(50);
constexpr absl::Duration kLastLook = absl::Seconds(1);
// To the beginning of the line, and erase it.
constexpr char kEraseLine[] = "\r\x1B[K";

std::string Running(const client::NodeInfo& node) {
  const uint32_t count = node.running_sessions;
  if (count == 0) return "no session runs";
  return absl::StrCat(count, count == 1 ? " session runs" : " sessions run");
}

// How many still run, on one line of standard error where that is a terminal.
class Countdown {
 public:
  ~Countdown() { Erase(); }
  void Show(const client::NodeInfo& node) {
    if (!on_terminal_) return;
    (void)WriteAll(STDERR_FILENO, absl::StrCat(kEraseLine, "waiting: ", Running(node)));
    drawn_ = true;
  }
  void Erase() {
    if (drawn_) (void)WriteAll(STDERR_FILENO, kEraseLine);
    drawn_ = false;
  }

 private:
  const bool on_terminal_ = ::isatty(STDERR_FILENO) != 0;
  bool drawn_ = false;
};

class Drain : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* drain = app.add_subcommand("drain", "Let the node take no new sessions");
    drain->footer(kExamples);
    AddHost(drain, common);
    CLI::Option* undo = drain->add_flag("--undo", undo_, "Let it take new sessions again");
    CLI::Option* wait =
        drain->add_flag("--wait", wait_, "Return once no session runs any more")->excludes(undo);
    AddDuration(drain, "--timeout", &timeout_, absl::ZeroDuration(), "Wait no longer than this");
    drain->get_option("--timeout")->needs(wait);
    AddJson(drain, &json_, "the node");
    return drain;
  }

  int Run(const CommonArguments& common, const std::vector<std::string>& /*words*/) override {
    const auto client = client::Client::Connect({.target = common.host});
    auto node = client.ok() ? (*client)->Drain(undo_) : client.status();
    if (node.ok() && wait_) node = AwaitIdle(**client, *std::move(node));
    if (!node.ok()) {
      Report(node.status());
      return kExitFailure;
    }
    if (json_) {
      std::cout << ToJson(*node) << std::endl;
    } else if (undo_ && !node->draining) {
      std::cout << "it takes new sessions again" << std::endl;
    } else {
      std::cout << (undo_ ? "it shuts down; " : "it takes no new sessions; ") << Running(*node)
                << std::endl;
    }
    if (!std::cout.good()) return kExitFailure;
    return wait_ && node->running_sessions > 0 ? kExitTimedOut : 0;
  }

 private:
  // The node once no session runs on it, or when the timeout has passed.
  absl::StatusOr<client::NodeInfo> AwaitIdle(client::Client& client, client::NodeInfo node) const {
    const absl::Time deadline = absl::Now() + timeout_.value_or(absl::InfiniteDuration());
    Countdown countdown;
    for (absl::Duration pause = kFirstLook; node.running_sessions > 0;
         pause = std::min(pause * 2, kLastLook)) {
      const absl::Duration left = deadline - absl::Now();
      if (left <= absl::ZeroDuration()) break;
      countdown.Show(node);
      absl::SleepFor(std::min(pause, left));
      auto now = client.GetNode();
      if (!now.ok()) return now.status();
      node = *std::move(now);
      if (!node.draining) {
        return absl::AbortedError("somebody has let the node take new sessions again");
      }
    }
    return node;
  }

  bool undo_ = false, wait_ = false, json_ = false;
  std::optional<absl::Duration> timeout_;
};

}  // namespace

std::unique_ptr<Verb> MakeDrain() { return std::make_unique<Drain>(); }

}  // namespace nacre::cli
