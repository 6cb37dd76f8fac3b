// nacred: parses the command line and runs the keeper.

#include <errno.h>
#include <google/protobuf/stubs/logging.h>
#include <stdlib.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/log.h"
#include "config/node_config.h"
#include "keeper/keeper.h"
#include "keeper/settings.h"

namespace nacre::keeper {
namespace {

constexpr char kExamples[] = R"(
Examples:
  nacred                                          serve this user on a Unix socket
  nacred --listen unix:/tmp/n/s --state-dir /tmp/n/state
  nacred --listen 127.0.0.1:7070 --insecure-loopback
  nacred --compat framed=127.0.0.1:9100,timeout=10m
  nacred --label zone=north --label gpu=a100
  nacred --run-as alice --run-as bob --socket-group staff       (as root)
  nacred --config /etc/nacre/nacred.toml --check-config

Signals: SIGTERM and SIGINT drain (twice: end all sessions now). SIGHUP reads users and secrets again and
starts a new front, to which all sessions move.)";

std::string FromEnvironment(const char* name) {
  const char* value = getenv(name);
  return value != nullptr ? value : "";
}

// Root's is the system's: a runtime directory in its environment is that of whom it was before.
std::string DefaultSocket() {
  const std::string runtime = getuid() == 0 ? "" : FromEnvironment("XDG_RUNTIME_DIR");
  return (runtime.empty() ? "/run" : runtime) + "/nacre/nacred.sock";
}

std::string DefaultStateDir() {
  if (getuid() == 0) return "/var/lib/nacre";
  const std::string state = FromEnvironment("XDG_STATE_HOME");
  return (state.empty() ? FromEnvironment("HOME") + "/.local/state" : state) + "/nacre";
}

std::string BesideUs(const char* program) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return self.parent_path() / program;
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
      ->type_name("FILE")
      ->check([](const std::string& path) { return path.empty() ? "a file name is missing" : ""; });
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
  app->add_option("--label", config->labels,
                  "What the node says of itself, for those who choose among nodes (repeatable)")
      ->type_name("NAME=TEXT");
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
  app->add_option("--stream-idle-timeout", config->stream_idle_timeout,
                  "End streams on which nothing came or went for so long; 0s: never")
      ->type_name("DURATION")
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
  app->add_option("--files", config->files, "Path of nacre-files, or off: nobody gets at files")
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
  config.front = BesideUs("nacre-front");
  config.files = BesideUs("nacre-files");
  return config;
}

std::string ConfigPath(const Flags& flags) {
  return flags.config.empty() ? DefaultConfig() : flags.config;
}

// The default file may be missing; one that can't be told to be is not.
bool ConfigExists(const Flags& flags) {
  return !flags.config.empty() || access(ConfigPath(flags).c_str(), F_OK) == 0 || errno != ENOENT;
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
  // A check says all that it has to say.
  log::Init("nacred", flags.check_config ? log::Level::kInfo
                                         : ToLevel(config->log_level).value_or(log::Level::kInfo));
  // It would wait for whoever reads standard error, and that a message is none the keeper says
  // itself.
  google::protobuf::SetLogHandler(nullptr);
  auto options = ToOptions(*config);
  if (!options.ok()) return Fail(2, options.status().message());
  if (flags.print_config) absl::PrintF("%s", config->ToToml());
  if (flags.check_config) absl::FPrintF(stderr, "nacred: the configuration is right\n");
  if (flags.print_config || flags.check_config) return 0;
  // A file that was there and is not any more is no wish to go without.
  options->reload = [argc, argv, flags, has_file,
                     started = *config]() -> absl::StatusOr<ServingOptions> {
    auto again = Configure(argc, argv, flags, has_file);
    if (!again.ok()) return again.status();
    auto read = ToOptions(*again);
    if (!read.ok()) return read.status();
    const std::vector<std::string> ignored = NeedRestart(started, *again);
    if (!ignored.empty()) {
      log::Warning("SIGHUP: %s changed, which takes a restart of nacred",
                   absl::StrJoin(ignored, ", "));
    }
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
