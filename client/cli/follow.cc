#include "client/cli/follow.h"

#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/exit_status.h"
#include "client/cli/input_pump.h"
#include "client/cli/output_sink.h"
#include "client/cli/report.h"
#include "client/cli/signal_forwarder.h"

namespace nacre::cli {
namespace {

// What a user must hear even without -v.
void ReportUnusualEnd(const client::Termination& end) {
  if (end.cause == client::Cause::kOutputLimit) Report("the command wrote more than its limit");
  if (end.cause == client::Cause::kOutOfMemory) Report("the command ran out of memory");
  if (end.cause == client::Cause::kNodeLost) Report("the node lost the command");
  if (!end.output_complete && !end.output_held_open) Report("the output is incomplete");
}

class Follower {
 public:
  Follower(const std::shared_ptr<client::Process>& process, const FollowOptions& options)
      : process_(*process), options_(options) {
    if (options.signals.has_value()) signals_.emplace(*options.signals, process, options.stop);
    if (options.input) input_.emplace(process, options.stop);
  }

  int Run() {
    for (;;) {
      const auto event = process_.Next();
      if (!event.ok()) return Failed(event.status());
      const auto status = std::visit([this](const auto& one) { return Handle(one); }, *event);
      if (status.has_value()) return *status;
    }
  }

 private:
  // Returns our exit status with the last event.
  std::optional<int> Handle(const client::Started& started) {
    if (signals_.has_value()) signals_->CommandStarted();
    session_id_ = started.session_id;
    return std::nullopt;
  }

  std::optional<int> Handle(const client::Output& output) {
    if (!sink_.Write(output)) (void)(process_.*options_.stop)();
    return std::nullopt;
  }

  std::optional<int> Handle(const client::Gap& gap) {
    Report(gap);
    return std::nullopt;
  }

  std::optional<int> Handle(const client::Disconnected&) {
    told_of_loss_ = true;
    Report("lost the connection to " + options_.target + "; trying again");
    return std::nullopt;
  }

  std::optional<int> Handle(const client::Resumed& resumed) {
    if (std::exchange(told_of_loss_, false) || options_.verbosity > 0) {
      Report(absl::StrFormat("connected again after %.2f s", absl::ToDoubleSeconds(resumed.away)));
    }
    return std::nullopt;
  }

  std::optional<int> Handle(const client::Terminated& terminated) {
    const client::Termination& end = terminated.termination;
    if (stopped_by() != 0) return ExitOfSignal(stopped_by());
    ReportUnusualEnd(end);
    if (options_.verbosity > 0) Report(Summary(session_id_, end));
    return OwnFailure().value_or(ExitStatus(end));
  }

  // Only we can have asked for it.
  std::optional<int> Handle(const client::Detached&) {
    if (stopped_by() != 0) return ExitOfSignal(stopped_by());
    return OwnFailure().value_or(kExitNacreFailed);
  }

  int Failed(const absl::Status& status) {
    if (stopped_by() != 0) return ExitOfSignal(stopped_by());
    // After a failed input it is our own stop that comes back; what failed was said.
    if (!input_failed()) Report(status);
    return ExitStatus(status);
  }

  std::optional<int> OwnFailure() const {
    if (sink_.exit_status() != 0) return sink_.exit_status();
    if (input_failed()) return kExitNacreFailed;
    return std::nullopt;
  }

  int stopped_by() const { return signals_.has_value() ? signals_->stopped_by() : 0; }
  bool input_failed() const { return input_.has_value() && input_->failed(); }

  client::Process& process_;
  const FollowOptions& options_;
  std::optional<SignalForwarder> signals_;
  std::optional<InputPump> input_;
  OutputSink sink_;
  std::string session_id_;
  bool told_of_loss_ = false;
};

}  // namespace

int Follow(const std::shared_ptr<client::Process>& process, const FollowOptions& options) {
  return Follower(process, options).Run();
}

}  // namespace nacre::cli
