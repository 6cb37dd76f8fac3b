#include "server/node_facts.h"

#include <google/protobuf/util/time_util.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/ring_layout.h"
#include "executor/files.h"
#include "server/grpc_servers.h"

namespace nacre {
namespace {

using google::protobuf::util::TimeUtil;

// By the file alone: other name services may hang when the network does, and this process starts
// again at any time.
std::string LocalUserName(uid_t uid) {
  const std::unique_ptr<FILE, int (*)(FILE*)> users(fopen("/etc/passwd", "re"), fclose);
  while (users != nullptr) {
    const passwd* user = fgetpwent(users.get());
    if (user == nullptr) break;
    if (user->pw_uid == uid) return absl::CHexEscape(user->pw_name);
  }
  return absl::StrCat("uid:", uid);
}

v1::KillMethod ToKillMethod(const std::string& text) {
  if (text == "cgroup") return v1::KILL_METHOD_CGROUP;
  if (text == "search") return v1::KILL_METHOD_SEARCH;
  return v1::KILL_METHOD_UNSPECIFIED;
}

std::string Warning(const keeper::v1::Welcome& welcome, const keeper::v1::Listener& listener) {
  if (absl::StartsWith(listener.address(), "unix:") || !listener.secret().empty()) return "";
  std::string warning = "plaintext, and callers prove nothing";
  // Callers without a name run commands as the daemon's user or not at all.
  if (std::any_of(welcome.users().begin(), welcome.users().end(),
                  [&](const keeper::v1::User& user) { return user.uid() == welcome.uid(); })) {
    absl::StrAppend(&warning, ": every local user can run commands as ", welcome.user());
  }
  return warning;
}

void SetLimits(const keeper::v1::Welcome& welcome, v1::NodeLimits* limits) {
  limits->set_max_session_descriptors(welcome.max_descriptors());
  limits->set_max_request_bytes(kMaxReceiveBytes);
  limits->set_max_calls_per_connection(kMaxStreamsPerConnection);
  limits->set_max_open_files(Files::kMaxStreams);
  limits->set_max_file_calls_per_user(Files::kMaxCallsOfUser);
  limits->set_max_retention_bytes(kMaxRingBytes);
  limits->set_input_window_bytes(kInputRingBytes);
}

}  // namespace

v1::Node GatherNodeFacts(const keeper::v1::Welcome& welcome, const NodeFacts& own) {
  v1::Node node;
  node.set_version(own.version);
  node.set_id(welcome.node_id());
  node.mutable_labels()->insert(own.labels.begin(), own.labels.end());
  SetLimits(welcome, node.mutable_limits());
  if (welcome.start_unix_ns() > 0) {
    *node.mutable_start_time() =
        TimeUtil::NanosecondsToTimestamp(static_cast<int64_t>(welcome.start_unix_ns()));
  }
  node.set_daemon_pid(welcome.pid());
  node.set_front_pid(static_cast<uint32_t>(getpid()));
  *node.mutable_front_start_time() = TimeUtil::NanosecondsToTimestamp(WallNs());
  node.set_user(welcome.user());
  node.set_front_user(geteuid() == welcome.uid() ? welcome.user() : LocalUserName(geteuid()));
  for (const keeper::v1::User& user : welcome.users()) node.add_run_as_users(user.name());
  size_t next_dialect = 0;
  for (const keeper::v1::Listener& from : welcome.listeners()) {
    v1::NodeListener* listener = node.add_listeners();
    listener->set_name(from.name());
    listener->set_address(from.address());
    listener->set_requires_secret(!from.secret().empty());
    listener->set_warning(Warning(welcome, from));
    if (absl::StartsWith(from.name(), "compat-") && next_dialect < own.dialects.size()) {
      listener->set_dialect(own.dialects[next_dialect++]);
    }
  }
  node.set_max_sessions(welcome.max_sessions());
  node.set_kill_method(ToKillMethod(welcome.kill_method()));
  return node;
}

}  // namespace nacre
