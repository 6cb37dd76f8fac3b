#pragma once

#include "absl/status/statusor.h"
#include "executor/command_spec.h"
#include "executor/session.h"
#include "nacre/v1/command.pb.h"
#include "nacre/v1/session.pb.h"

// Between the gRPC contract and the executor's own types. Pure functions.
namespace nacre {

// Checks everything that the contract says of a start. INVALID_ARGUMENT or UNIMPLEMENTED names the
// field.
absl::StatusOr<CommandSpec> ToCommandSpec(const v1::Start& start);

// Whether a signal's scope is served.
absl::Status CheckKillScope(v1::KillScope scope, const char* field);

v1::Session ToSession(const Session& session);
v1::Termination ToTermination(const Termination& termination);
v1::OutputStream ToOutputStream(uint32_t stream);

}  // namespace nacre
