#pragma once

#include "absl/status/statusor.h"
#include "executor/command_spec.h"
#include "executor/session.h"
#include "nacre/v1/command.pb.h"
#include "nacre/v1/session.pb.h"
#include "nacre/v1/shell.pb.h"

// Between the gRPC contract and the executor's own types. Pure functions.
namespace nacre {

// Checks everything that the contract says of a start. INVALID_ARGUMENT or UNIMPLEMENTED names the
// field. `default_on_disconnect` is what an unspecified policy means for this RPC.
absl::StatusOr<CommandSpec> ToCommandSpec(
    const v1::Start& start,
    v1::OnDisconnect default_on_disconnect = v1::ON_DISCONNECT_KILL_AFTER_GRACE);

// A duration in nanoseconds; INVALID_ARGUMENT unless it is 0 to 20 years.
absl::StatusOr<int64_t> ToNs(const google::protobuf::Duration& duration, const char* field);

// Whether a signal is one, and its scope too.
absl::Status CheckSignal(const v1::Signal& signal);
absl::Status CheckResize(const Session& session, const v1::Resize& resize);
// Of one that was checked.
KillScope ToKillScope(v1::KillScope scope);

// What events say of a session.
v1::Session ToSession(const Session& session);
// All there is to say of it. `expires_in_ns`: until it is forgotten, once it has ended.
v1::Session ToFullSession(const Session& session, int64_t expires_in_ns);
v1::SessionState ToState(const Session& session);
v1::Termination ToTermination(const Termination& termination);
v1::OutputStream ToOutputStream(uint32_t stream);

}  // namespace nacre
