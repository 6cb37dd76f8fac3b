// nacred: parses the command line and runs the keeper.

#include <google/protobuf/stubs/logging.h>
#include <grp.h>
#include <stdlib.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/log.h"
#include "config/compat_listener.h"
#include "config/node_config.h"
#include "config/secret_file.h"
#include "config/units.h"
#include "keeper/keeper.h"

namespace nacre::keeper {
namespace {

constexpr char kExamples[] = R"(
Examples:
  nacred                                          serve this user on a Unix socket
  nacred --listen unix:/tmp/n/s --state-dir /tmp/n/state
  nacred --listen 127.0.0.1:7070 --insecure-loopback
  nacred --compat framed=127.0.0.1:9100,timeout=10m
  nacred --run-as alice --run-as bob --socket-group staff       (as root)
  nacred --config /etc/nacre/nacred.toml --check-config

Signals: SIGTERM and SIGINT drain (twice: end all sessions now). SIGHUP reads users and secrets again and
starts a new front, to which all sessions move.)";

// They go to a front in one message.
constexpr size_t kMaxListeners = 64;

std::string FromEnvironment(const char* name) {
  const char* value = getenv(name);
  return value != nullptr ? value : "";
}

std::string DefaultSocket() {
  const std::string runtime = FromEnvironment("XDG_RUNTIME_DIR");
  return (runtime.empty() ? "/run" : runtime) + "/nacre/nacred.sock";
}

std::string DefaultStateDir() {
  if (getuid() == 0) return "/var/lib/nacre";
  const std::string state = FromEnvironment("XDG_STATE_HOME");
  return (state.empty() ? FromEnvironment("HOME") + "/.local/state" : state) + "/nacre";
}

std::string DefaultFront() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return self.parent_path() / "nacre-front";
}

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
absl::StatusOr<std::optional<Credentials>> FrontCredentials(const std::string& asked) {
  if (geteuid() != 0) {
    if (asked.empty()) return std::nullopt;
    return absl::InvalidArgumentError("--front-user: only root can give the front another user");
  }
  absl::StatusOr<User> user = User::Named(asked.empty() ? "nacre" : asked);
  if (!user.ok() && asked.empty()) {
    log::Warning(
        "there is no user \"nacre\", so the front runs as \"nobody\"; make one of its own: useradd "
        "--system --no-create-home --shell /usr/sbin/nologin nacre");
    user = User::Named("nobody");
  }
  if (!user.ok()) return user.status();
  if (user->uid == 0) return std::nullopt;
  return Credentials{.uid = user->uid, .gid = user->gid, .groups = {}};
}

absl::StatusOr<std::optional<gid_t>> SocketGroup(const std::string& name) {
  if (name.empty()) return std::nullopt;
  const group* entry = getgrnam(name.c_str());
  if (entry == nullptr) {
    return absl::NotFoundError(
        absl::StrFormat("--socket-group: group \"%s\" does not exist", name));
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
  if (serving.listen.size() > kMaxListeners) {
    return absl::InvalidArgumentError(absl::StrFormat("%d addresses: at most %d are served",
                                                      serving.listen.size(), kMaxListeners));
  }
  auto spool = ParseSize(config.spool_limit);
  if (!spool.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--spool-limit: ", std::string(spool.status().message())));
  }
  auto credentials = FrontCredentials(config.front_user);
  if (!credentials.ok()) return credentials.status();
  auto group = SocketGroup(config.socket_group);
  if (!group.ok()) return group.status();
  serving.run_as = config.run_as;
  serving.insecure_loopback = config.insecure_loopback;
  serving.socket_group = *group;
  serving.spool = !config.compat.empty();
  serving.front = {
      .path = std::filesystem::absolute(config.front),
      .arguments = {"--log-level", config.log_level, "--spool-limit", std::to_string(*spool)},
      .credentials = *std::move(credentials)};
  for (const std::string& text : config.compat) {
    serving.front.arguments.insert(serving.front.arguments.end(), {"--compat", text});
  }
  return serving;
}

// What may be asked beside the configuration.
struct Flags {
  std::string config;
  bool check_config = false, print_config = false;
};

std::string DefaultConfig() {
  if (getuid() == 0) return "/etc/nacre/nacred.toml";
  const std::string config = FromEnvironment("XDG_CONFIG_HOME");
  return (config.empty() ? FromEnvironment("HOME") + "/.config" : config) + "/nacre/nacred.toml";
}

void AddOptions(CLI::App* app, Flags* flags, NodeConfig* config) {
  app->add_option("--config", flags->config,
                  absl::StrFormat("Configuration file; default: %s, if it exists", DefaultConfig()))
      ->type_name("FILE");
  app->add_flag("--check-config", flags->check_config,
                "Say what is wrong with file and options, and end");
  app->add_flag("--print-config", flags->print_config,
                "Print the configuration that file and options make, as a file, and end");
  app->add_option("--listen", config->listen,
                  "Address to serve: unix:PATH or HOST:PORT (repeatable)")
      ->type_name("ADDRESS")
      ->capture_default_str();
  app->add_option(
         "--compat", config->compat,
         "Serve older raw-socket clients too: framed=HOST:PORT[,KEY=VALUE...] (repeatable); "
         "see docs/legacy.md")
      ->type_name("DIALECT=ADDRESS");
  app->add_option("--run-as", config->run_as,
                  "User whom commands may run as (repeatable); default: the user who starts nacred")
      ->type_name("USER");
  app->add_option("--front-user", config->front_user,
                  "User of the network process, when root starts nacred; default: nacre, or nobody")
      ->type_name("USER");
  app->add_option("--socket-group", config->socket_group,
                  "Group whose members may connect to the Unix sockets; default: none")
      ->type_name("GROUP");
  app->add_option(
         "--cgroup", config->cgroup,
         "cgroup to divide among the sessions: auto (our own, if delegated), off, or a path")
      ->type_name("PATH")
      ->capture_default_str();
  app->add_option("--spool-limit", config->spool_limit,
                  "Disk that replies on their way to older clients may take together")
      ->type_name("SIZE")
      ->capture_default_str();
  app->add_option("--state-dir", config->state_dir,
                  "Directory of the audit, the lock, the spool and ended sessions' output")
      ->type_name("DIR")
      ->capture_default_str();
  app->add_flag("--insecure-loopback,!--no-insecure-loopback", config->insecure_loopback,
                "Allow plaintext TCP on loopback, for development");
  app->add_option("--drain-timeout", config->drain_timeout, "How long SIGTERM lets sessions run on")
      ->type_name("DURATION")
      ->capture_default_str();
  app->add_option("--front", config->front, "Path of nacre-front")
      ->type_name("FILE")
      ->capture_default_str();
  app->add_option("--log-level", config->log_level, "Lines to log: debug, info, warning or error")
      ->type_name("LEVEL")
      ->capture_default_str();
}

// Reads the command line over `config`.
std::optional<int> ParseFlags(int argc, char** argv, Flags* flags, NodeConfig* config) {
  CLI::App app("Nacre's daemon: runs commands for local and remote callers.", "nacred");
  app.footer(kExamples);
  app.set_version_flag("--version", "nacred " NACRE_VERSION);
  AddOptions(&app, flags, config);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return std::nullopt;
}

NodeConfig Defaults() {
  NodeConfig config;
  config.listen = {"unix:" + DefaultSocket()};
  config.state_dir = DefaultStateDir();
  config.front = DefaultFront();
  return config;
}

std::string ConfigPath(const Flags& flags) {
  return flags.config.empty() ? DefaultConfig() : flags.config;
}

// The default file may be missing.
bool ConfigExists(const Flags& flags) {
  return !flags.config.empty() || access(ConfigPath(flags).c_str(), F_OK) == 0;
}

// What the file says, and over it the command line.
absl::StatusOr<NodeConfig> Configure(int argc, char** argv, const Flags& flags, bool must_exist) {
  NodeConfig config = Defaults();
  const std::string path = ConfigPath(flags);
  if (must_exist || ConfigExists(flags)) {
    auto loaded = NodeConfig::Load(path, std::move(config));
    if (!loaded.ok()) return loaded.status();
    config = *std::move(loaded);
  }
  Flags again;
  ParseFlags(argc, argv, &again, &config);
  return config;
}

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

int Fail(int status, absl::string_view why) {
  absl::FPrintF(stderr, "nacred: %s\n", log::Escape(std::string(why)));
  return status;
}

int Main(int argc, char** argv) {
  Flags flags;
  NodeConfig unused = Defaults();
  if (const std::optional<int> status = ParseFlags(argc, argv, &flags, &unused)) return *status;
  const bool has_file = ConfigExists(flags);
  auto config = Configure(argc, argv, flags, has_file);
  if (!config.ok()) return Fail(2, config.status().message());
  log::Init("nacred", ToLevel(config->log_level).value_or(log::Level::kInfo));
  // It would wait for whoever reads standard error, and that a message is none the keeper says
  // itself.
  google::protobuf::SetLogHandler(nullptr);
  auto options = ToOptions(*config);
  if (!options.ok()) return Fail(2, options.status().message());
  if (flags.print_config) absl::PrintF("%s", config->ToToml());
  if (flags.check_config) absl::FPrintF(stderr, "nacred: the configuration is right\n");
  if (flags.print_config || flags.check_config) return 0;
  // A file that was there and is not any more is no wish to go without.
  options->reload = [argc, argv, flags, has_file]() -> absl::StatusOr<ServingOptions> {
    auto again = Configure(argc, argv, flags, has_file);
    if (!again.ok()) return again.status();
    auto read = ToOptions(*again);
    if (!read.ok()) return read.status();
    return std::move(read->serving);
  };
  auto keeper = Keeper::Create(*std::move(options));
  const absl::Status status = keeper.ok() ? (*keeper)->Run() : keeper.status();
  if (!status.ok()) return Fail(1, status.message());
  return 0;
}

}  // namespace
}  // namespace nacre::keeper

int main(int argc, char** argv) { return nacre::keeper::Main(argc, argv); }
