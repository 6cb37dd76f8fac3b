// nacre ping
#include <iostream>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "client/cli/exit_status.h"
#include "client/cli/options.h"
#include "client/cli/report.h"
#include "client/cli/verbs.h"
#include "nacre/client.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Examples:
  nacre ping
  nacre -H 127.0.0.1:7070 ping)";

std::string Rounded(absl::Duration duration) {
  return absl::FormatDuration(absl::Trunc(duration, absl::Microseconds(1)));
}

class Ping : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* ping = app.add_subcommand("ping", "Ask the node whether it serves");
    ping->footer(kExamples);
    AddHost(ping, common);
    AddVerbosity(ping, common, "Say how long connecting took");
    return ping;
  }

  // Prints the round trip time of a node that serves.
  int Run(const CommonArguments& common, const std::vector<std::string>& /*words*/) override {
    const auto client = client::Client::Connect({.target = common.host});
    const auto first = client.ok() ? (*client)->Ping() : client.status();
    const auto second = first.ok() ? (*client)->Ping() : first.status();
    if (!second.ok()) {
      Report(second.status());
      return kExitFailure;
    }
    if (common.verbosity > 0) Report("connected in " + Rounded(*first));
    std::cout << (*client)->target() << " serves, round trip " << Rounded(*second) << std::endl;
    return std::cout.good() ? 0 : kExitFailure;
  }
};

}  // namespace

std::unique_ptr<Verb> MakePing() { return std::make_unique<Ping>(); }

}  // namespace nacre::cli
