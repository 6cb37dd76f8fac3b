#include "executor/spawn_error.h"

#include <errno.h>
#include <string.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "executor/errors.h"

namespace nacre {
namespace {

using absl::StatusCode;

absl::Status ExecError(int error, const std::string& program) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return MakeError(StatusCode::kNotFound, "COMMAND_NOT_FOUND",
                       absl::StrFormat("%s: command not found", program));
    case E2BIG:
      return InvalidField("command.argv", "argv and env exceed what this system takes");
    case EACCES:
    case EPERM:
    case EISDIR:
    case ELIBBAD:
      return MakeError(StatusCode::kFailedPrecondition, "COMMAND_NOT_EXECUTABLE",
                       absl::StrFormat("%s: not executable (%s)", program, strerror(error)));
    case ENOEXEC:
      return MakeError(StatusCode::kFailedPrecondition, "COMMAND_NOT_EXECUTABLE",
                       absl::StrFormat("%s: not executable (no binary, and no #! line)", program));
    case EAGAIN:
    case ENOMEM:
    case ENFILE:
    case EMFILE:
      return MakeError(StatusCode::kResourceExhausted, "NODE_RESOURCES",
                       absl::StrFormat("%s: %s", program, strerror(error)));
    default:
      return MakeError(StatusCode::kFailedPrecondition, "COMMAND_NOT_EXECUTABLE",
                       absl::StrFormat("%s: %s", program, strerror(error)));
  }
}

}  // namespace

absl::Status SpawnError(const keeper::v1::SpawnFailed& failure, const std::string& raw_program,
                        const std::string& cwd) {
  const std::string program = absl::Utf8SafeCHexEscape(raw_program);
  const int error = static_cast<int>(failure.error());
  switch (failure.step()) {
    case keeper::v1::SPAWN_STEP_REQUEST:
      return MakeError(StatusCode::kInvalidArgument, "INVALID_FIELD", failure.detail());
    case keeper::v1::SPAWN_STEP_RESOURCES:
      return MakeError(
          StatusCode::kResourceExhausted, "NODE_RESOURCES",
          absl::StrFormat("the node can't start another command: %s", failure.detail()));
    case keeper::v1::SPAWN_STEP_AUDIT:
      return MakeError(StatusCode::kUnavailable, "AUDIT_UNAVAILABLE",
                       absl::StrFormat("the node's audit can't be written (%s), so nothing is "
                                       "started; free space or mend its state directory",
                                       failure.detail()));
    case keeper::v1::SPAWN_STEP_CHDIR:
      return InvalidField(
          "command.cwd", absl::StrFormat("%s: %s", absl::Utf8SafeCHexEscape(cwd), strerror(error)));
    case keeper::v1::SPAWN_STEP_EXEC:
      return ExecError(error, program);
    case keeper::v1::SPAWN_STEP_INTERPRETER:
      return MakeError(StatusCode::kFailedPrecondition, "COMMAND_NOT_EXECUTABLE",
                       absl::StrFormat("%s: bad interpreter: %s", program, strerror(error)));
    case keeper::v1::SPAWN_STEP_USER:
      return MakeError(StatusCode::kPermissionDenied, "POLICY_DENIED", failure.detail());
    case keeper::v1::SPAWN_STEP_LIMITS:
      return MakeError(StatusCode::kFailedPrecondition, "LIMIT_UNAVAILABLE",
                       absl::StrFormat("command.limits.%s; leave the limit out, or have the node's "
                                       "operator delegate a cgroup to it",
                                       failure.detail()));
    case keeper::v1::SPAWN_STEP_CREDENTIALS:
      return MakeError(StatusCode::kFailedPrecondition, "RUN_AS_FAILED",
                       absl::StrFormat("%s: becoming the user to run as: %s; the daemon lacks the "
                                       "rights for it",
                                       program, strerror(error)));
    case keeper::v1::SPAWN_STEP_SHUTDOWN:
      return MakeError(StatusCode::kUnavailable, "DRAINING", failure.detail());
    default:
      return MakeError(StatusCode::kInternal, "SPAWN_FAILED",
                       absl::StrFormat("%s: preparing the process: %s", program, strerror(error)));
  }
}

}  // namespace nacre
