#include "client/node_info.h"

#include "client/termination.h"

namespace nacre::client {
namespace {

KillMethod FromWire(v1::KillMethod wire) {
  switch (wire) {
    case v1::KILL_METHOD_CGROUP:
      return KillMethod::kCgroup;
    case v1::KILL_METHOD_SEARCH:
      return KillMethod::kSearch;
    default:
      return KillMethod::kUnknown;
  }
}

NodeLimits FromWire(const v1::NodeLimits& wire) {
  return {.max_session_descriptors = wire.max_session_descriptors(),
          .max_request_bytes = wire.max_request_bytes(),
          .max_calls_per_connection = wire.max_calls_per_connection(),
          .max_open_files = wire.max_open_files(),
          .max_file_calls_per_user = wire.max_file_calls_per_user(),
          .max_retention_bytes = wire.max_retention_bytes(),
          .input_window_bytes = wire.input_window_bytes()};
}

NodeLoad FromWire(const v1::NodeLoad& wire) {
  return {.load_average_1m = wire.load_average_1m(),
          .load_average_5m = wire.load_average_5m(),
          .load_average_15m = wire.load_average_15m(),
          .cpus = wire.cpus(),
          .memory_bytes = wire.memory_bytes(),
          .available_memory_bytes = wire.available_memory_bytes(),
          .own_running_sessions = wire.own_running_sessions(),
          .open_files = wire.open_files(),
          .file_calls = wire.file_calls()};
}

}  // namespace

NodeInfo FromWire(const v1::Node& wire) {
  NodeInfo info{.id = wire.id(),
                .version = wire.version(),
                .epoch = wire.epoch(),
                .host_name = wire.host_name(),
                .daemon_pid = wire.daemon_pid(),
                .front_pid = wire.front_pid(),
                .front_start_time = FromWire(wire.front_start_time()),
                .user = wire.user(),
                .front_user = wire.front_user(),
                .run_as_users = {wire.run_as_users().begin(), wire.run_as_users().end()},
                .running_sessions = wire.running_sessions(),
                .ended_sessions = wire.ended_sessions(),
                .max_sessions = wire.max_sessions(),
                .kill_method = FromWire(wire.kill_method()),
                .draining = wire.draining(),
                .stopping = wire.stopping(),
                .labels = {wire.labels().begin(), wire.labels().end()}};
  if (wire.has_start_time()) info.start_time = FromWire(wire.start_time());
  if (wire.has_limits()) info.limits = FromWire(wire.limits());
  if (wire.has_load()) info.load = FromWire(wire.load());
  for (const v1::NodeListener& listener : wire.listeners()) {
    info.listeners.push_back({.name = listener.name(),
                              .address = listener.address(),
                              .dialect = listener.dialect(),
                              .requires_secret = listener.requires_secret(),
                              .warning = listener.warning()});
  }
  return info;
}

std::string_view KillMethodName(KillMethod method) {
  switch (method) {
    case KillMethod::kUnknown:
      return "unknown";
    case KillMethod::kCgroup:
      return "cgroup";
    case KillMethod::kSearch:
      return "search";
  }
  return "unknown";
}

}  // namespace nacre::client
