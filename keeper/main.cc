// nacred: parses the command line and runs the keeper.

#include <stdlib.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/log.h"
#include "config/compat_listener.h"
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

Signals: SIGTERM and SIGINT drain (twice: end all sessions now), SIGHUP looks user names up again.)";

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
                       .warning = plaintext ? "is plaintext, for development only" : ""});
  }
  return options;
}

// The listeners of the compatibility port. Their options are the front's to use.
absl::StatusOr<std::vector<ListenOption>> ParseCompat(const std::vector<std::string>& texts) {
  std::vector<ListenOption> options;
  for (const std::string& text : texts) {
    auto listener = CompatListener::Parse(text);
    if (!listener.ok()) return listener.status();
    std::string warning = "every local user can run commands as this daemon's user";
    if (!listener->secret_file.empty()) {
      if (auto secret = Secret::Load(listener->secret_file); !secret.ok()) {
        return absl::InvalidArgumentError(
            absl::StrFormat("--compat %s: %s", text, std::string(secret.status().message())));
      }
      warning.clear();
    }
    options.push_back({.name = absl::StrFormat("compat-%d", options.size()),
                       .address = listener->address,
                       .warning = std::move(warning)});
  }
  return options;
}

int Main(int argc, char** argv) {
  CLI::App app("Nacre's daemon: runs commands for local and remote callers.", "nacred");
  app.footer(kExamples);
  app.set_version_flag("--version", "nacred " NACRE_VERSION);
  std::vector<std::string> listen = {"unix:" + DefaultSocket()};
  KeeperOptions options{.listen = {}, .state_dir = DefaultStateDir(), .front = DefaultFront()};
  std::string drain_timeout = "30s";
  std::string log_level = "info";
  std::vector<std::string> compat;
  std::string spool_limit = "16G";
  app.add_option("--listen", listen, "Address to serve: unix:PATH or HOST:PORT (repeatable)")
      ->type_name("ADDRESS")
      ->capture_default_str();
  app.add_option(
         "--compat", compat,
         "Serve older raw-socket clients too: framed=HOST:PORT[,KEY=VALUE...] (repeatable); "
         "see docs/legacy.md")
      ->type_name("DIALECT=ADDRESS");
  app.add_option("--spool-limit", spool_limit,
                 "Disk that replies on their way to older clients may take together")
      ->type_name("SIZE")
      ->capture_default_str();
  app.add_option("--state-dir", options.state_dir,
                 "Directory of the audit, the lock, the spool and ended sessions' output")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_flag("--insecure-loopback", options.insecure_loopback,
               "Allow plaintext TCP on loopback, for development");
  app.add_option("--drain-timeout", drain_timeout, "How long SIGTERM lets sessions run on")
      ->type_name("DURATION")
      ->capture_default_str();
  app.add_option("--front", options.front, "Path of nacre-front")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_option("--log-level", log_level, "Lines to log")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  const std::map<std::string, log::Level> levels = {{"debug", log::Level::kDebug},
                                                    {"info", log::Level::kInfo},
                                                    {"warning", log::Level::kWarning},
                                                    {"error", log::Level::kError}};
  log::Init("nacred", levels.at(log_level));
  auto addresses = ParseListen(listen, options.insecure_loopback);
  auto compat_addresses = ParseCompat(compat);
  auto drain = ParseDurationNs(drain_timeout);
  auto spool = ParseSize(spool_limit);
  const std::pair<std::string, absl::Status> checked[] = {{"", addresses.status()},
                                                          {"", compat_addresses.status()},
                                                          {"--drain-timeout: ", drain.status()},
                                                          {"--spool-limit: ", spool.status()}};
  for (const auto& [what, status] : checked) {
    if (status.ok()) continue;
    absl::FPrintF(stderr, "nacred: %s%s\n", what, std::string(status.message()));
    return 2;
  }
  options.drain_timeout_ns = *drain;
  options.listen = *std::move(addresses);
  options.listen.insert(options.listen.end(), compat_addresses->begin(), compat_addresses->end());
  if (options.listen.size() > kMaxListeners) {
    absl::FPrintF(stderr, "nacred: %d addresses: at most %d are served\n", options.listen.size(),
                  kMaxListeners);
    return 2;
  }
  options.front_arguments = {"--log-level", log_level};
  for (const std::string& text : compat) {
    options.front_arguments.insert(options.front_arguments.end(), {"--compat", text});
  }
  if (!compat.empty()) {
    options.spool_dir = std::filesystem::absolute(options.state_dir) / "spool";
    options.front_arguments.insert(
        options.front_arguments.end(),
        {"--spool-dir", options.spool_dir, "--spool-limit", std::to_string(*spool)});
  }
  auto keeper = Keeper::Create(std::move(options));
  const absl::Status status = keeper.ok() ? (*keeper)->Run() : keeper.status();
  if (!status.ok()) {
    absl::FPrintF(stderr, "nacred: %s\n", std::string(status.message()));
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace nacre::keeper

int main(int argc, char** argv) { return nacre::keeper::Main(argc, argv); }
