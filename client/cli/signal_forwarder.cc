#include "client/cli/signal_forwarder.h"

#include <pthread.h>
#include <unistd.h>

#include <functional>
#include <thread>
#include <utility>

#include "client/cli/exit_status.h"
#include "client/cli/raw_terminal.h"

namespace nacre::cli {
namespace {

constexpr int kCancellingInterrupt = 3;
constexpr int kFinalInterrupt = 5;
// How long a node may take to confirm that we stopped.
constexpr timespec kStopPatience = {.tv_sec = 2, .tv_nsec = 0};

// On a thread of its own, for a write may wait for a stalled network, and then the next signals
// must still be counted.
void Send(std::shared_ptr<client::Process> process,
          const std::function<absl::Status(client::Process&)>& what) {
  std::thread([process = std::move(process), what] { (void)what(*process); }).detach();
}

}  // namespace

sigset_t HoldSignals() {
  sigset_t held;
  sigemptyset(&held);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH}) {
    struct sigaction action {};
    sigaction(number, nullptr, &action);
    if (action.sa_handler != SIG_IGN) sigaddset(&held, number);
  }
  pthread_sigmask(SIG_BLOCK, &held, nullptr);
  return held;
}

SignalForwarder::SignalForwarder(const sigset_t& held, std::shared_ptr<client::Process> process,
                                 Stop stop, std::function<void()> window_changed,
                                 std::function<bool(int)> hang_up)
    : state_(std::make_shared<State>()) {
  state_->process = std::move(process);
  state_->stop = stop;
  state_->window_changed = std::move(window_changed);
  state_->hang_up = std::move(hang_up);
  std::thread([held, state = state_] { Forward(held, state); }).detach();
}

void SignalForwarder::Forward(const sigset_t& held, const std::shared_ptr<State>& state) {
  int interrupts = 0;
  for (;;) {
    const int number = sigwaitinfo(&held, nullptr);
    if (number < 0) continue;
    if (number == SIGWINCH) {
      state->window_changed();
      continue;
    }
    if ((number == SIGHUP || number == SIGTERM) && state->hang_up(number)) continue;
    if (number == SIGINT && ++interrupts == kFinalInterrupt) {
      RawTerminal::Restore();
      _exit(ExitOfSignal(SIGINT));
    }
    if (!state->started) {
      StopStart(held, *state, number);
    } else if (number == SIGINT && interrupts == kCancellingInterrupt) {
      Send(state->process, [](client::Process& process) { return process.Cancel(); });
    } else {
      Send(state->process, [number](client::Process& process) { return process.Signal(number); });
    }
  }
}

// The start may be on its way: the node is told, so that nothing is left running, and we leave when
// it confirms, when it doesn't in time, or when the user insists.
void SignalForwarder::StopStart(const sigset_t& held, State& state, int number) {
  state.stopped_by = number;
  Send(state.process, [stop = state.stop](client::Process& process) { return (process.*stop)(); });
  sigset_t insisting = held;
  sigdelset(&insisting, SIGWINCH);
  const int next = sigtimedwait(&insisting, nullptr, &kStopPatience);
  if (next > 0 || !state.started) state.process->Abandon();
}

}  // namespace nacre::cli
