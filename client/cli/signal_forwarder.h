// Passes signals that we get on to the command.
#ifndef NACRE_CLIENT_CLI_SIGNAL_FORWARDER_H_
#define NACRE_CLIENT_CLI_SIGNAL_FORWARDER_H_

#include <atomic>
#include <csignal>
#include <functional>
#include <memory>

#include "client/cli/stop.h"
#include "nacre/client.h"

namespace nacre::cli {

// Holds SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGWINCH back from every thread that starts from now
// on, but for those that whoever started us had ignored (nohup). Returns them.
sigset_t HoldSignals();

// Takes held signals on a thread of its own, until the process ends.
//
// Before the node has answered, a signal stops us: `stop`. From then on it is forwarded, but for
// the third SIGINT, which ends the command by its ladder, and the fifth, which ends us at once with
// 130.
//
// SIGWINCH is no signal for the command: `window_changed` is called, on that thread, so it must not
// wait. Changes in quick succession may come as one. SIGHUP is none either if `hang_up`, called
// likewise, has dealt with it.
class SignalForwarder {
 public:
  SignalForwarder(
      const sigset_t& held, std::shared_ptr<client::Process> process, Stop stop,
      std::function<void()> window_changed = [] {},
      std::function<bool(int)> hang_up = [](int) { return false; });

  // The command runs.
  void CommandStarted() { state_->started = true; }

  // The signal that stopped us before, or 0.
  int stopped_by() const { return state_->stopped_by; }

 private:
  struct State {
    std::shared_ptr<client::Process> process;
    Stop stop;
    std::function<void()> window_changed;
    std::function<bool(int)> hang_up;
    std::atomic<bool> started = false;
    std::atomic<int> stopped_by = 0;
  };

  static void Forward(const sigset_t& held, const std::shared_ptr<State>& state);
  static void StopStart(const sigset_t& held, State& state, int number);

  const std::shared_ptr<State> state_;
};

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_SIGNAL_FORWARDER_H_
