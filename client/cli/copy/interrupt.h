// Signals that end a copy.
#ifndef NACRE_CLIENT_CLI_COPY_INTERRUPT_H_
#define NACRE_CLIENT_CLI_COPY_INTERRUPT_H_

#include <csignal>
#include <functional>

namespace nacre::cli {

// Waits, on a thread of its own that nothing ends, for one of `held`, which every thread has
// blocked: then calls `stop`. If the process is still there after 2 s, or after another signal,
// calls `leave`, which ends it.
void OnInterrupt(const sigset_t& held, std::function<void(int signal)> stop,
                 std::function<void(int signal)> leave);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_COPY_INTERRUPT_H_
