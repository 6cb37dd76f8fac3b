#include "keeper/settings.h"

#include <errno.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "config/compat_listener.h"
#include "config/secret_file.h"
#include "config/units.h"
#include "keeper/users.h"

namespace nacre::keeper {
namespace {

// They go to a front in one message.
// Value of `files`: nobody gets at files.
constexpr absl::string_view kOff = "off";
constexpr size_t kMaxListeners = 64;

constexpr char kMakeUser[] = "useradd --system --no-create-home --shell /usr/sbin/nologin nacre";

absl::StatusOr<std::vector<ListenOption>> ParseListen(const std::vector<std::string>& texts,
                                                      bool insecure_loopback) {
  std::vector<ListenOption> options;
  for (const std::string& text : texts) {
    auto address = Address::Parse(text);
    if (!address.ok()) return address.status();
    if (address->kind == Address::Kind::kTcp && !address->IsLoopback()) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "--listen %s: TCP beyond loopback needs TLS, which is not yet served", text));
    }
    if (address->kind == Address::Kind::kTcp && !insecure_loopback) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "--listen %s: plaintext TCP needs --insecure-loopback (every local user can then run "
          "commands as you)",
          text));
    }
    const bool plaintext = address->kind == Address::Kind::kTcp;
    options.push_back({.name = absl::StrFormat("grpc-%d", options.size()),
                       .address = *std::move(address),
                       .warning = plaintext ? "is plaintext, for development only" : "",
                       .secret_name = {},
                       .secret = {}});
  }
  return options;
}

// The kernel chooses other ports for port 0.
absl::Status CheckOnce(const std::vector<ListenOption>& options) {
  std::set<std::string> seen;
  for (const ListenOption& option : options) {
    Address address = option.address;
    if (address.kind == Address::Kind::kTcp && address.port == 0) continue;
    address.path = std::filesystem::path(address.path).lexically_normal();
    if (!seen.insert(address.ToString()).second) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s is to be listened on twice", option.address.ToString()));
    }
  }
  return absl::OkStatus();
}

// The listeners of the compatibility port. Their options are the front's to use.
absl::StatusOr<std::vector<ListenOption>> ParseCompat(const std::vector<std::string>& texts) {
  std::vector<ListenOption> options;
  for (const std::string& text : texts) {
    auto listener = CompatListener::Parse(text);
    if (!listener.ok()) return listener.status();
    ListenOption option{.name = absl::StrFormat("compat-%d", options.size()),
                        .address = listener->address,
                        .warning = "every local user can run commands as this daemon's user",
                        .secret_name = {},
                        .secret = {}};
    if (!listener->secret_file.empty()) {
      auto secret = Secret::Load(listener->secret_file);
      if (!secret.ok()) {
        return absl::InvalidArgumentError(
            absl::StrFormat("--compat %s: %s", text, std::string(secret.status().message())));
      }
      option.warning.clear();
      option.secret_name = std::move(secret->name);
      option.secret = std::move(secret->bytes);
    }
    options.push_back(std::move(option));
  }
  return options;
}

// Whom the front runs as, when root starts it: `asked`, else `nacre`, else `nobody`.
absl::StatusOr<std::optional<User>> FrontUser(const std::string& asked) {
  if (geteuid() != 0) {
    if (asked.empty()) return std::nullopt;
    return absl::InvalidArgumentError("front_user: only root can give the front another user");
  }
  absl::StatusOr<User> user = User::Named(asked.empty() ? "nacre" : asked);
  if (!user.ok() && asked.empty()) {
    log::Warning(
        "there is no user \"nacre\", so the front runs as \"nobody\"; make one of its own: %s",
        kMakeUser);
    user = User::Named("nobody");
  }
  if (!user.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("front_user: ", std::string(user.status().message())));
  }
  if (user->uid == 0) {
    return absl::InvalidArgumentError(
        "front_user: root would keep all rights in the network process");
  }
  return *std::move(user);
}

// A command could stop or trace a front of its own user.
absl::Status CheckApart(const Users& users, const User& front) {
  for (const User& user : users.allowed()) {
    if (user.uid != front.uid) continue;
    return absl::InvalidArgumentError(absl::StrFormat(
        "run_as: commands of \"%s\" could stop or trace the network process, which runs as \"%s\"; "
        "make a user \"nacre\" for it (%s), or name another in front_user",
        user.name, front.name, kMakeUser));
  }
  return absl::OkStatus();
}

// Whether the front can run its program; as another user by the mode.
bool MayRun(const std::string& path, const struct stat& info, const std::optional<User>& front) {
  if (!front.has_value()) return access(path.c_str(), X_OK) == 0;
  if (front->uid == info.st_uid) return (info.st_mode & S_IXUSR) != 0;
  return (info.st_mode & (front->gid == info.st_gid ? S_IXGRP : S_IXOTH)) != 0;
}

absl::Status CheckProgram(const char* key, const std::string& path,
                          const std::optional<User>& front) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(key, ": ", path));
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: %s is no regular file", key, path));
  }
  if (!MayRun(path, info, front)) {
    return absl::PermissionDeniedError(
        absl::StrFormat("%s: %s is not executable%s", key, path,
                        front.has_value() ? absl::StrFormat(" for user \"%s\"", front->name) : ""));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<gid_t>> SocketGroup(const std::string& name) {
  if (name.empty()) return std::nullopt;
  const group* entry = getgrnam(name.c_str());
  if (entry == nullptr) {
    return absl::NotFoundError(absl::StrFormat("socket_group: group \"%s\" does not exist", name));
  }
  if (geteuid() != 0 && getegid() != entry->gr_gid && group_member(entry->gr_gid) == 0) {
    return absl::PermissionDeniedError(absl::StrFormat(
        "socket_group: only root and members of \"%s\" can give it the sockets", name));
  }
  return entry->gr_gid;
}

absl::StatusOr<ServingOptions> ToServing(const NodeConfig& config) {
  ServingOptions serving;
  auto addresses = ParseListen(config.listen, config.insecure_loopback);
  if (!addresses.ok()) return addresses.status();
  auto compat = ParseCompat(config.compat);
  if (!compat.ok()) return compat.status();
  serving.listen = *std::move(addresses);
  serving.listen.insert(serving.listen.end(), compat->begin(), compat->end());
  if (absl::Status status = CheckOnce(serving.listen); !status.ok()) return status;
  if (serving.listen.size() > kMaxListeners) {
    return absl::InvalidArgumentError(absl::StrFormat("%d addresses: at most %d are served",
                                                      serving.listen.size(), kMaxListeners));
  }
  auto spool = ParseSize(config.spool_limit);
  if (!spool.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("spool_limit: ", std::string(spool.status().message())));
  }
  auto idle = ParseDurationNs(config.stream_idle_timeout);
  if (!idle.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("stream_idle_timeout: ", std::string(idle.status().message())));
  }
  auto front_user = FrontUser(config.front_user);
  if (!front_user.ok()) return front_user.status();
  absl::Status program = CheckProgram("front", config.front, *front_user);
  if (program.ok() && config.files != kOff) {
    program = CheckProgram("files", config.files, std::nullopt);
    serving.files = std::filesystem::absolute(config.files);
  }
  if (!program.ok()) return program;
  auto group = SocketGroup(config.socket_group);
  if (!group.ok()) return group.status();
  auto users = Users::Load(config.run_as);
  if (!users.ok()) return users.status();
  if (front_user->has_value()) {
    if (absl::Status status = CheckApart(*users, **front_user); !status.ok()) return status;
    serving.front.credentials =
        Credentials{.uid = (*front_user)->uid, .gid = (*front_user)->gid, .groups = {}};
  }
  serving.users = *std::move(users);
  serving.insecure_loopback = config.insecure_loopback;
  serving.socket_group = *group;
  serving.spool = !config.compat.empty();
  serving.front.path = std::filesystem::absolute(config.front);
  serving.front.arguments = {"--log-level",          config.log_level,   "--spool-limit",
                             std::to_string(*spool), "--stream-idle-ns", std::to_string(*idle)};
  for (const std::string& text : config.compat) {
    serving.front.arguments.insert(serving.front.arguments.end(), {"--compat", text});
  }
  for (const std::string& label : config.labels) {
    serving.front.arguments.insert(serving.front.arguments.end(), {"--label", label});
  }
  return serving;
}

}  // namespace

absl::StatusOr<log::Level> ToLevel(const std::string& name) {
  const std::map<std::string, log::Level> levels = {{"debug", log::Level::kDebug},
                                                    {"info", log::Level::kInfo},
                                                    {"warning", log::Level::kWarning},
                                                    {"error", log::Level::kError}};
  const auto it = levels.find(name);
  if (it != levels.end()) return it->second;
  return absl::InvalidArgumentError(absl::StrFormat(
      "log_level: \"%s\" is none of debug, info, warning, error", absl::Utf8SafeCHexEscape(name)));
}

absl::StatusOr<KeeperOptions> ToOptions(const NodeConfig& config) {
  if (absl::Status status = config.Check(); !status.ok()) return status;
  KeeperOptions options;
  if (auto level = ToLevel(config.log_level); !level.ok()) return level.status();
  options.state_dir = config.state_dir;
  options.cgroup = config.cgroup;
  auto drain = ParseDurationNs(config.drain_timeout);
  if (!drain.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("drain_timeout: ", std::string(drain.status().message())));
  }
  options.drain_timeout_ns = *drain;
  auto serving = ToServing(config);
  if (!serving.ok()) return serving.status();
  options.serving = *std::move(serving);
  return options;
}

std::vector<std::string> NeedRestart(const NodeConfig& started, const NodeConfig& now) {
  std::vector<std::string> keys;
  if (started.state_dir != now.state_dir) keys.emplace_back("state_dir");
  if (started.cgroup != now.cgroup) keys.emplace_back("cgroup");
  if (started.drain_timeout != now.drain_timeout) keys.emplace_back("drain_timeout");
  if (started.log_level != now.log_level) keys.emplace_back("log_level (nacred's own)");
  return keys;
}

}  // namespace nacre::keeper
