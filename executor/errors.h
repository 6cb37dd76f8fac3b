#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

// Errors with a machine-readable reason. They travel as absl::Status with payloads, which front
// ends turn into their wire's form (google.rpc.ErrorInfo and BadRequest in gRPC).
namespace nacre {

// `reason` is one of the API's names, e.g. "COMMAND_NOT_FOUND"; `message` names the thing and the
// remedy.
absl::Status MakeError(absl::StatusCode code, std::string_view reason, std::string_view message);

// INVALID_ARGUMENT about one field, named by its path in the API, e.g. "command.cwd".
absl::Status InvalidField(std::string_view field, std::string_view why);

// Adds what a program may want to know beside the reason, e.g. "oldest_position".
void AddErrorMetadata(std::string_view name, std::string_view value, absl::Status* status);

std::optional<std::string> ErrorReason(const absl::Status& status);
std::optional<std::string> ErrorField(const absl::Status& status);
std::map<std::string, std::string> ErrorMetadata(const absl::Status& status);

}  // namespace nacre
