#include <sys/utsname.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/address.h"
#include "bench/cli_group.h"
#include "bench/copy_group.h"
#include "bench/floor_client.h"
#include "bench/floor_server.h"
#include "bench/framed_groups.h"
#include "bench/interruption.h"
#include "bench/nacre_calls.h"
#include "bench/peers/peer_process.h"
#include "bench/privilege_groups.h"
#include "bench/suite.h"
#include "nacre/client.h"

namespace nacre::bench {
namespace {

constexpr int kQuickRounds = 2;
constexpr double kQuickSeconds = 0.3;
constexpr uint64_t kQuickMebibytes = 128;
constexpr int kQuickCopiedFiles = 500;
constexpr uint64_t kQuickCopiedMebibytes = 64;
constexpr int kWarmUpCommands = 100;

struct Arguments {
  bool quick = false;
  int rounds = 5;
  double seconds = 1.5;
  uint64_t mebibytes = 2048;
  std::vector<std::string> only = Suite::DefaultGroups();
  int copied_files = 20'000;
  uint64_t copied_mebibytes = 1024;
  PrivilegeOptions privileges;
  std::string framed;  // Empty: none.
};

// Whether one of `names` is to be measured.
bool WantsOneOf(const std::vector<std::string>& names, const Arguments& arguments) {
  const auto& only = arguments.only;
  return std::find_first_of(only.begin(), only.end(), names.begin(), names.end()) != only.end();
}
bool WantsFramed(const Arguments& arguments) {
  return WantsOneOf(FramedGroups::Names(), arguments);
}

void AddOptions(CLI::App* app, Arguments* arguments) {
  app->footer("The node is $NACRE_HOST; it should be on this machine and idle, and so should we.");
  app->set_version_flag("--version", "nacre-bench " NACRE_VERSION);
  auto* quick =
      app->add_flag("--quick", arguments->quick, "Some seconds in all: shows that it works");
  app->add_option("--rounds", arguments->rounds, "Rounds; figures are medians over them")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->excludes(quick);
  app->add_option("--seconds", arguments->seconds, "Time of each timed measurement in a round")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->excludes(quick);
  app->add_option("--mebibytes", arguments->mebibytes, "MiB of each stream in a round")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->excludes(quick);
  app->add_option("--copied-files", arguments->copied_files, "Files in the tree that copy copies")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->excludes(quick);
  app->add_option("--copied-mebibytes", arguments->copied_mebibytes,
                  "MiB of the file that copy copies")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->excludes(quick);
  app->add_option("--only", arguments->only,
                  "Groups to measure, of " + absl::StrJoin(Suite::Groups(), ", ") +
                      "; without it all but copy, which takes minutes")
      ->delimiter(',')
      ->check(CLI::IsMember(Suite::Groups()));
  app->add_option("--other-user", arguments->privileges.other_user,
                  "User, not the node's own, whom commands may run as; without it the group user "
                  "is skipped")
      ->type_name("USER");
  app->add_option("--no-cgroup-node", arguments->privileges.no_cgroup_node,
                  "Node that differs only in that it uses no cgroups; without it the group cgroup "
                  "is skipped")
      ->type_name("ADDRESS");
  app->add_option("--framed", arguments->framed,
                  "Where the node serves the framed dialect; without it the framed groups are "
                  "skipped")
      ->type_name("HOST:PORT");
}

absl::Status WarmUp(client::Client& nacre) {
  if (auto ping = nacre.Ping(); !ping.ok()) return ping.status();
  for (int i = 0; i < kWarmUpCommands; ++i) {
    if (absl::Status status = ExecTrue(nacre); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void PrintConditions(const Arguments& arguments) {
  utsname system{};
  uname(&system);
  std::cout << absl::StreamFormat(
                   "- medians of %d rounds; %.1f s of each load, %d MiB of each stream; 1 channel",
                   arguments.rounds, arguments.seconds, arguments.mebibytes)
            << "\n"
            << absl::StreamFormat("- %d cores, %s %s", std::thread::hardware_concurrency(),
                                  system.sysname, system.release)
            << "\n";
}

// Null: nothing of it is to be measured, or nobody said where.
absl::StatusOr<std::unique_ptr<FramedGroups>> StartFramed(const Arguments& arguments) {
  if (arguments.framed.empty() || !WantsFramed(arguments)) return nullptr;
  const auto address = Address::Parse(arguments.framed);
  if (!address.ok()) return address.status();
  return FramedGroups::Start(*address, absl::Seconds(arguments.seconds), arguments.mebibytes << 20);
}

// Null: it is not to be measured.
absl::StatusOr<std::unique_ptr<CopyGroup>> StartCopy(client::Client& nacre,
                                                     const Arguments& arguments) {
  if (!WantsOneOf(CopyGroup::Names(), arguments)) return nullptr;
  return CopyGroup::Start(
      nacre, {.files = arguments.copied_files, .file_bytes = arguments.copied_mebibytes << 20});
}

absl::Status Run(const Arguments& arguments) {
  auto server = FloorServer::Start();
  if (!server.ok()) return server.status();
  FloorClient floors((*server)->target());
  if (absl::Status status = floors.Connect(); !status.ok()) return status;
  (*server)->Unlink();
  auto nacre = client::Client::Connect({});
  if (!nacre.ok()) return nacre.status();
  if (absl::Status status = WarmUp(**nacre); !status.ok()) return status;
  std::unique_ptr<PrivilegeGroups> privileges;
  if (WantsOneOf(PrivilegeGroups::Names(), arguments)) {
    auto started =
        PrivilegeGroups::Start(**nacre, arguments.privileges, absl::Seconds(arguments.seconds));
    if (!started.ok()) return started.status();
    privileges = *std::move(started);
  }
  std::unique_ptr<CliGroup> cli;
  if (WantsOneOf(CliGroup::Names(), arguments)) {
    cli = CliGroup::Start(absl::Seconds(arguments.seconds));
  }
  auto copy = StartCopy(**nacre, arguments);
  if (!copy.ok()) return copy.status();
  auto framed = StartFramed(arguments);
  if (!framed.ok()) return framed.status();
  Suite suite(
      **nacre, floors, cli.get(), copy->get(), privileges.get(), framed->get(),
      {.slice = absl::Seconds(arguments.seconds), .stream_bytes = arguments.mebibytes << 20});
  for (int round = 0; round < arguments.rounds; ++round) {
    for (const std::string& group : arguments.only) {
      if (absl::Status status = suite.MeasureRound(group); !status.ok()) return status;
    }
  }
  suite.Print(std::cout);
  if (*framed == nullptr && WantsFramed(arguments)) {
    std::cout << "- framed groups skipped: there was no --framed HOST:PORT\n";
  }
  PrintConditions(arguments);
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  // Ourselves, started as the floors' server or to become a peer.
  if (argc == 4 && std::string_view(argv[1]) == FloorServer::kFlag) {
    return ServeFloors(argv[2], static_cast<pid_t>(std::atoi(argv[3])));
  }
  if (argc >= 4 && std::string_view(argv[1]) == PeerProcess::kFlag) {
    return PeerProcess::Become(static_cast<pid_t>(std::atoi(argv[2])), argv + 3);
  }
  std::signal(SIGPIPE, SIG_IGN);
  CatchInterruptions();
  PeerProcess::AdoptOrphans();
  Arguments arguments;
  CLI::App app("Measures Nacre beside its floors and prints ratios.", "nacre-bench");
  AddOptions(&app, &arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (arguments.quick) {
    arguments.rounds = kQuickRounds;
    arguments.seconds = kQuickSeconds;
    arguments.mebibytes = kQuickMebibytes;
    arguments.copied_files = kQuickCopiedFiles;
    arguments.copied_mebibytes = kQuickCopiedMebibytes;
  }
  if (absl::Status status = Run(arguments); !status.ok()) {
    EndIfInterrupted();
    std::cerr << "nacre-bench: " << status.message() << "\n";
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace nacre::bench

int main(int argc, char** argv) { return nacre::bench::Main(argc, argv); }
