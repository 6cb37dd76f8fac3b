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

}  // namespace

NodeInfo FromWire(const v1::Node& wire) {
  NodeInfo info{.version = wire.version(),
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
                .draining = wire.draining()};
  if (wire.has_start_time()) info.start_time = FromWire(wire.start_time());
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
