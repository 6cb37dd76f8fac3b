#include "client/session_info.h"

#include "client/command.h"
#include "client/termination.h"

namespace nacre::client {
namespace {

// As many as a node returns at once.
constexpr uint32_t kPageSize = 1000;

SessionState FromWire(v1::SessionState wire) {
  switch (wire) {
    case v1::SESSION_STATE_STARTING:
      return SessionState::kStarting;
    case v1::SESSION_STATE_RUNNING:
      return SessionState::kRunning;
    case v1::SESSION_STATE_ENDED:
      return SessionState::kEnded;
    default:
      return SessionState::kUnknown;
  }
}

v1::SessionState ToWire(SessionState state) {
  switch (state) {
    case SessionState::kUnknown:
      return v1::SESSION_STATE_UNSPECIFIED;
    case SessionState::kStarting:
      return v1::SESSION_STATE_STARTING;
    case SessionState::kRunning:
      return v1::SESSION_STATE_RUNNING;
    case SessionState::kEnded:
      return v1::SESSION_STATE_ENDED;
  }
  return v1::SESSION_STATE_UNSPECIFIED;
}

}  // namespace

SessionInfo FromWire(const v1::Session& wire) {
  SessionInfo info{.id = wire.id(),
                   .start_time = FromWire(wire.start_time()),
                   .owner = wire.owner(),
                   .run_as_user = wire.run_as_user(),
                   .state = FromWire(wire.state()),
                   .command_line = wire.command_line(),
                   .tags = {wire.tags().begin(), wire.tags().end()},
                   .request_id = wire.request_id(),
                   .end_position = wire.end_position(),
                   .kept_position = wire.kept_position(),
                   .driven = wire.driven(),
                   .has_terminal = wire.has_terminal()};
  if (wire.has_termination()) info.termination = FromWire(wire.termination());
  if (wire.has_expire_time()) info.expire_time = FromWire(wire.expire_time());
  return info;
}

absl::StatusOr<v1::ListSessionsRequest> ToListRequest(const SessionFilter& filter,
                                                      const std::string& page_token) {
  v1::ListSessionsRequest request;
  request.set_page_size(kPageSize);
  request.set_page_token(page_token);
  if (filter.state.has_value()) request.set_state(ToWire(*filter.state));
  for (const auto& [name, value] : filter.tags) {
    if (!IsUtf8(name) || !IsUtf8(value)) return absl::InvalidArgumentError("tags: not UTF-8");
    (*request.mutable_tags())[name] = value;
  }
  return request;
}

absl::StatusOr<v1::Attach> ToAttach(const std::string& session_id, const AttachOptions& options) {
  if (absl::Status status = CheckSessionId(session_id); !status.ok()) return status;
  v1::Attach attach;
  attach.set_session_id(session_id);
  attach.set_drive(options.drive);
  attach.set_input(options.input);
  if (options.position.has_value()) attach.set_position(*options.position);
  attach.set_will_ack(options.drive);
  return attach;
}

absl::Status CheckSessionId(const std::string& session_id) {
  return IsUtf8(session_id) ? absl::OkStatus()
                            : absl::InvalidArgumentError("session_id: is not UTF-8");
}

std::string_view SessionStateName(SessionState state) {
  switch (state) {
    case SessionState::kUnknown:
      return "unknown";
    case SessionState::kStarting:
      return "starting";
    case SessionState::kRunning:
      return "running";
    case SessionState::kEnded:
      return "ended";
  }
  return "unknown";
}

}  // namespace nacre::client
