#include <grpc/support/log.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <variant>

#include "client/cli/arguments.h"

namespace nacre::cli {
namespace {

// While our output is stuck, nobody reads the connection; often enough looked at like this, it
// still answers the pings that tell it from a lost one.
void PollInTheBackground() { ::setenv("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "1000", 0); }

// Standard error belongs to the command.
void Quiet(const CommonArguments& common) {
  if (common.verbosity < 2) {
    gpr_set_log_function([](gpr_log_func_args*) {});
  } else {
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_INFO);
  }
}

int Run(const Done& done) { return done.exit_status; }

int Run(const Invocation& invocation) {
  PollInTheBackground();
  Quiet(invocation.common);
  return invocation.verb->Run(invocation.common, invocation.command);
}

}  // namespace
}  // namespace nacre::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const int status = std::visit([](const auto& parsed) { return nacre::cli::Run(parsed); },
                                nacre::cli::ParseArguments(argc, argv));
  std::cout.flush();
  // No teardown: threads may still sit in reads that nothing wakes, and gRPC's takes its time.
  std::_Exit(status);
}
