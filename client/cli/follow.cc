#include "client/cli/follow.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/descriptors.h"
#include "client/cli/escape_keys.h"
#include "client/cli/exit_status.h"
#include "client/cli/input_pump.h"
#include "client/cli/key_pump.h"
#include "client/cli/output_sink.h"
#include "client/cli/raw_terminal.h"
#include "client/cli/report.h"
#include "client/cli/signal_forwarder.h"
#include "client/cli/window_size.h"

namespace nacre::cli {
namespace {

// What a user must hear even without -v.
void ReportUnusualEnd(const client::Termination& end) {
  if (end.cause == client::Cause::kOutputLimit) Report("the command wrote more than its limit");
  if (end.cause == client::Cause::kOutOfMemory) Report("the command ran out of memory");
  if (end.cause == client::Cause::kNodeLost) Report("the node lost the command");
  const bool explained = end.output_held_open || end.cause == client::Cause::kOutputLimit;
  if (!end.output_complete && !explained) Report("the output is incomplete");
}

// Back from what full-screen programs ask of a terminal (XTerm Control Sequences): mouse reports,
// bracketed paste, application keys, the other screen, hidden cursor, colours, line drawing.
constexpr char kResetModes[] =
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>\x1b[?1049l\x1b[?25h"
    "\x1b[0m\x1b(B\r\n";

class Follower {
 public:
  Follower(const std::shared_ptr<client::Process>& process, const FollowOptions& options)
      : process_(process), options_(options), sink_(options.raw) {
    if (options.signals.has_value()) {
      signals_.emplace(
          *options.signals, process, options.stop, [asked = asked_] { WindowChanged(*asked); },
          [process, asked = asked_](int signal) { return HangUp(*process, *asked, signal); });
    }
    // Whether what is typed on a terminal are keys, we know once the command runs.
    if (options.input && !OnTerminal()) input_.emplace(process, options.stop);
  }

  int Run() {
    for (;;) {
      const auto event = process_->Next();
      if (!event.ok()) return Failed(event.status());
      const auto status = std::visit([this](const auto& one) { return Handle(one); }, *event);
      if (status.has_value()) return *status;
    }
  }

 private:
  // What other threads have seen: whether our keys are the command's, what was asked for by
  // escapes, what became of our terminal.
  struct Asked {
    std::atomic<int> hang_up = 0;  // The signal that was it.
    std::atomic<bool> keys = false, leave = false, detach = false, window_changed = false;
  };

  // Our terminal is gone, or we are to go, which is a loss of us, not a signal for the command: an
  // interactive shell would not even heed it.
  static bool HangUp(client::Process& process, Asked& asked, int signal) {
    if (!asked.keys) return false;
    asked.hang_up = signal;
    process.Abandon();
    return true;
  }

  // Tells the command of our window's size whenever it has changed, on a thread of its own: a write
  // may wait, and the last size must be the last that is told.
  void FollowWindow() {
    std::thread([process = process_, asked = asked_] {
      WindowSize size;
      do {
        asked->window_changed.wait(false);
        asked->window_changed = false;
        size = OurWindowSize();
      } while (process->Resize(size.rows, size.columns).ok());
    }).detach();
    WindowChanged(*asked_);  // the command may have had another window, or ours has changed
  }

  static void WindowChanged(Asked& asked) {
    asked.window_changed = true;
    asked.window_changed.notify_one();
  }

  // Our keys are the command's from now on.
  void TakeKeys() {
    auto raw = RawTerminal::Enter(STDIN_FILENO);
    if (raw.ok()) {
      raw_ = *std::move(raw);
    } else {
      Report(raw.status());
    }
    asked_->keys = true;
    const EscapeKeys keys(options_.escape);
    keys_.emplace(
        process_, keys,
        [process = process_, asked = asked_, help = keys.Help()](EscapeAction action) {
          Act(*process, action, *asked, help);
        },
        [process = process_, asked = asked_] { (void)HangUp(*process, *asked, SIGHUP); });
  }

  static void Act(client::Process& process, EscapeAction action, Asked& asked,
                  const std::string& help) {
    switch (action) {
      case EscapeAction::kLeave:
        asked.leave = true;
        process.Abandon();
        break;
      case EscapeAction::kDetach:
        asked.detach = true;
        (void)process.Detach();
        break;
      case EscapeAction::kSuspend:
        (void)::kill(::getpid(), SIGTSTP);
        break;
      case EscapeAction::kHelp:
        (void)WriteAll(STDERR_FILENO, help);
        break;
    }
  }

  // A line of ours between the command's.
  void Say(const std::string& line) {
    if (raw_ != nullptr) (void)WriteAll(STDERR_FILENO, "\r");
    Report(line);
    if (raw_ != nullptr) (void)WriteAll(STDERR_FILENO, "\r");
  }

  // Returns our exit status with the last event.
  std::optional<int> Handle(const client::Started& started) {
    if (signals_.has_value()) signals_->CommandStarted();
    session_id_ = started.session_id;
    // Who only watches is safe from what others make of their terminal.
    if (started.has_terminal && options_.input) sink_.LetThrough();
    if (options_.input && OnTerminal()) {
      if (started.has_terminal) {
        TakeKeys();
        FollowWindow();
      } else {
        input_.emplace(process_, options_.stop);
      }
    }
    return std::nullopt;
  }

  std::optional<int> Handle(const client::Output& output) {
    if (!sink_.Write(output)) (void)((*process_).*options_.stop)();
    return std::nullopt;
  }

  std::optional<int> Handle(const client::Gap& gap) {
    if (raw_ != nullptr) (void)WriteAll(STDERR_FILENO, "\r");
    Report(gap);
    return std::nullopt;
  }

  std::optional<int> Handle(const client::Disconnected&) {
    told_of_loss_ = true;
    Say("lost the connection to " + options_.target + "; trying again");
    return std::nullopt;
  }

  std::optional<int> Handle(const client::Resumed& resumed) {
    if (std::exchange(told_of_loss_, false) || options_.verbosity > 0) {
      Say(absl::StrFormat("connected again after %.2f s", absl::ToDoubleSeconds(resumed.away)));
    }
    return std::nullopt;
  }

  std::optional<int> Handle(const client::TakenOver& taken) {
    if (taken.input) Say("another caller writes the command's input now; ours goes nowhere");
    if (taken.drive) Say("another caller drives the command now; we only watch");
    return std::nullopt;
  }

  std::optional<int> Handle(const client::Terminated& terminated) {
    Finish(/*ended=*/terminated.termination.cause == client::Cause::kExited);
    const client::Termination& end = terminated.termination;
    if (stopped_by() != 0) return ExitOfSignal(stopped_by());
    ReportUnusualEnd(end);
    if (options_.verbosity > 0) Report(Summary(session_id_, end));
    return OwnFailure().value_or(ExitStatus(end));
  }

  // Only we can have asked for it.
  std::optional<int> Handle(const client::Detached&) {
    Finish(/*ended=*/false);
    if (asked_->detach) {
      Report("detached; the session runs on: nacre attach -i " + session_id_);
      return 0;
    }
    if (stopped_by() != 0) return ExitOfSignal(stopped_by());
    return OwnFailure().value_or(kExitNacreFailed);
  }

  int Failed(const absl::Status& status) {
    Finish(/*ended=*/false);
    if (asked_->hang_up != 0) return ExitOfSignal(asked_->hang_up);
    if (asked_->leave) {
      Report("left session " + session_id_);
      return kExitNacreFailed;
    }
    if (stopped_by() != 0) return ExitOfSignal(stopped_by());
    // After a failed input it is our own stop that comes back; what failed was said.
    if (!input_failed()) Report(status);
    return ExitStatus(status);
  }

  // What comes now is ours. A program that has not ended leaves our terminal as it needs it.
  void Finish(bool ended) {
    sink_.Finish();
    if (raw_ == nullptr) return;
    if (!ended && ::isatty(STDOUT_FILENO) != 0) (void)WriteAll(STDOUT_FILENO, kResetModes);
    raw_.reset();
  }

  std::optional<int> OwnFailure() const {
    if (sink_.exit_status() != 0) return sink_.exit_status();
    if (input_failed()) return kExitNacreFailed;
    return std::nullopt;
  }

  int stopped_by() const { return signals_.has_value() ? signals_->stopped_by() : 0; }
  bool input_failed() const { return input_.has_value() && input_->failed(); }

  const std::shared_ptr<client::Process> process_;
  const FollowOptions& options_;
  const std::shared_ptr<Asked> asked_ = std::make_shared<Asked>();
  std::optional<SignalForwarder> signals_;
  std::optional<InputPump> input_;
  std::optional<KeyPump> keys_;
  OutputSink sink_;
  std::unique_ptr<RawTerminal> raw_;
  std::string session_id_;
  bool told_of_loss_ = false;
};

}  // namespace

int Follow(const std::shared_ptr<client::Process>& process, const FollowOptions& options) {
  return Follower(process, options).Run();
}

}  // namespace nacre::cli
