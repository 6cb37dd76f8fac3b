#include "client/cli/exec.h"

#include <memory>
#include <optional>
#include <utility>

#include "client/cli/exit_status.h"
#include "client/cli/input_pump.h"
#include "client/cli/output_sink.h"
#include "client/cli/report.h"
#include "client/cli/signal_forwarder.h"

namespace nacre::cli {
namespace {

struct Ending {
  std::string session_id;
  client::Termination termination;
};

// Follows the command to its end, writing its output.
absl::StatusOr<Ending> Follow(client::Process& process, SignalForwarder& signals,
                              OutputSink& sink) {
  Ending ending;
  for (;;) {
    auto event = process.Next();
    if (!event.ok()) return event.status();
    if (auto* started = std::get_if<client::Started>(&*event)) {
      signals.CommandStarted();
      ending.session_id = std::move(started->session_id);
    } else if (const auto* output = std::get_if<client::Output>(&*event)) {
      if (!sink.Write(*output)) (void)process.Cancel();
    } else if (auto* terminated = std::get_if<client::Terminated>(&*event)) {
      ending.termination = std::move(terminated->termination);
      return ending;
    }
  }
}

// What a user must hear even without -v.
void ReportUnusualEnd(const client::Termination& end) {
  if (end.cause == client::Cause::kOutputLimit) Report("the command wrote more than its limit");
  if (end.cause == client::Cause::kOutOfMemory) Report("the command ran out of memory");
  if (end.cause == client::Cause::kNodeLost) Report("the node lost the command");
  if (!end.output_complete && !end.output_held_open) Report("the output is incomplete");
}

}  // namespace

int RunExec(const ExecArguments& arguments) {
  const sigset_t held = HoldSignals();
  const auto client = client::Client::Connect({.target = arguments.common.host});
  auto prepared = client.ok() ? (*client)->Exec(arguments.command) : client.status();
  if (!prepared.ok()) {
    Report(prepared.status());
    return kExitNacreFailed;
  }
  const std::shared_ptr<client::Process> process = *std::move(prepared);
  SignalForwarder signals(held, process);
  std::optional<InputPump> input;
  if (arguments.command.input) input.emplace(process);
  OutputSink sink;

  const auto ending = Follow(*process, signals, sink);
  if (const int number = signals.start_cancelled_by(); number != 0) return ExitOfSignal(number);
  const bool input_failed = input && input->failed();
  if (!ending.ok()) {
    // After a failed input it is our own cancel that comes back; what failed was said.
    if (!input_failed) Report(ending.status());
    return ExitStatus(ending.status());
  }
  ReportUnusualEnd(ending->termination);
  if (arguments.common.verbosity > 0) Report(Summary(ending->session_id, ending->termination));
  if (sink.exit_status() != 0) return sink.exit_status();
  if (input_failed) return kExitNacreFailed;
  return ExitStatus(ending->termination);
}

}  // namespace nacre::cli
