// nacre-scale: a node with many sessions at once.

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "bench/interruption.h"
#include "bench/scale/checks.h"

namespace nacre::bench {
namespace {

void Print(const std::vector<Finding>& findings) {
  std::cout << "| what | measured | goal |\n|---|---|---|\n";
  for (const Finding& finding : findings) {
    const char* verdict = finding.goal.empty() ? "" : finding.met ? " met" : " MISSED";
    std::cout << "| " << finding.what << " | " << finding.measured << " | " << finding.goal
              << verdict << " |\n";
  }
}

int Main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  CatchInterruptions();
  CLI::App app("Gives a node many sessions at once, and checks every byte.", "nacre-scale");
  app.footer(
      "The node is $NACRE_HOST; it has to be on this machine. Run it as root: what the node's "
      "processes hold is seen by /proc.");
  app.set_version_flag("--version", "nacre-scale " NACRE_VERSION);
  bool quick = false;
  std::vector<std::string> only = ScaleChecks::Names();
  app.add_flag("--quick", quick, "A tenth to a fiftieth of all: seconds");
  app.add_option("--only", only, "Checks to do, of " + absl::StrJoin(ScaleChecks::Names(), ", "))
      ->delimiter(',')
      ->check(CLI::IsMember(ScaleChecks::Names()));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  ScaleSizes sizes;
  if (quick) {
    sizes = {.streaming = 100, .idle = 200, .ended = 500, .ends = 2000, .interrupts = 5};
  }
  auto checks = ScaleChecks::Connect(sizes);
  absl::Status status = checks.status();
  for (const std::string& name : only) {
    if (!status.ok()) break;
    std::cerr << "nacre-scale: " << name << "…\n";
    status = (*checks)->Run(name);
  }
  if (checks.ok()) Print((*checks)->findings());
  if (status.ok()) return 0;
  EndIfInterrupted();
  std::cerr << "nacre-scale: " << status.message() << "\n";
  return 1;
}

}  // namespace
}  // namespace nacre::bench

int main(int argc, char** argv) { return nacre::bench::Main(argc, argv); }
