#include "client/cli/exit_status.h"

#include <string>

namespace nacre::cli {

int ExitStatus(const absl::Status& status) {
  const std::string reason = client::ErrorReason(status);
  if (reason == "COMMAND_NOT_FOUND") return kExitNotFound;
  if (reason == "COMMAND_NOT_EXECUTABLE") return kExitNotExecutable;
  return kExitNacreFailed;
}

int ExitStatus(const client::Termination& end) {
  if (end.cause == client::Cause::kTimedOut) return kExitTimedOut;
  if (end.cause == client::Cause::kOutputLimit) return kExitNacreFailed;
  if (const auto* exited = std::get_if<client::Exited>(&end.result)) return exited->code;
  if (const auto* signaled = std::get_if<client::Signaled>(&end.result)) {
    return ExitOfSignal(signaled->number);
  }
  return kExitNacreFailed;
}

}  // namespace nacre::cli
