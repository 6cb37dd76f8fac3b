#include <grpc/support/log.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <variant>

#include "client/cli/arguments.h"
#include "client/cli/descriptors.h"
#include "client/cli/exec.h"
#include "client/cli/ping.h"

namespace nacre::cli {
namespace {

// Standard error belongs to the command.
void Quiet(const CommonArguments& common) {
  if (common.verbosity < 2) {
    gpr_set_log_function([](gpr_log_func_args*) {});
  } else {
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_INFO);
  }
}

int Run(const Done& done) { return done.exit_status; }

int Run(const ExecArguments& arguments) {
  Quiet(arguments.common);
  return RunExec(arguments);
}

int Run(const PingArguments& arguments) {
  Quiet(arguments.common);
  return RunPing(arguments);
}

}  // namespace
}  // namespace nacre::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const int status = std::visit([](const auto& arguments) { return nacre::cli::Run(arguments); },
                                nacre::cli::ParseArguments(argc, argv));
  std::cout.flush();
  // No teardown: threads may still sit in reads that nothing wakes, and gRPC's takes its time.
  std::_Exit(status);
}
