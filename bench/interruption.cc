#include "bench/interruption.h"

#include <signal.h>

#include <atomic>

namespace nacre::bench {
namespace {

std::atomic<int> came = 0;
static_assert(std::atomic<int>::is_always_lock_free);

}  // namespace

void CatchInterruptions() {
  for (const int signal : {SIGHUP, SIGINT, SIGTERM}) {
    struct sigaction action = {};
    if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = [](int number) { came = number; };
    action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
    sigaction(signal, &action, nullptr);
  }
}

int Interrupted() { return came; }

void EndIfInterrupted() {
  if (came != 0) raise(came);
}

}  // namespace nacre::bench
