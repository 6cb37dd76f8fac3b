// nacre start
#include <iostream>
#include <memory>

#include "client/cli/command_options.h"
#include "client/cli/exit_status.h"
#include "client/cli/json.h"
#include "client/cli/options.h"
#include "client/cli/report.h"
#include "client/cli/terminal_use.h"
#include "client/cli/verbs.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Prints the session's id, once the command runs. Everything from the first word that is no option
belongs to the command.

Examples:
  id=$(nacre start -- make -j4)
  nacre start --tag job=42 --retention 1h -- ./nightly
  nacre start --request-id nightly-$(date +%F) -- ./nightly
  nacre start --input -- sort; nacre attach -i ID < names
  nacre start -t -- vim; nacre attach -i ID

Follow it with 'nacre logs' or 'nacre attach', see it with 'nacre ps', await it with 'nacre wait'.)";

class Start : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* start = app.add_subcommand("start", "Start a command and leave it running");
    ShowCommandInUsage(start);
    start->footer(kExamples);
    AddHost(start, common);
    start->add_flag("--input", options_.command().input,
                    "It reads what later writers give it; default: end of file");
    start->add_flag("-t,--terminal", terminal_, "Give it a terminal, and --input");
    options_.AddShell(start);
    options_.AddTo(start);
    AddJson(start, &json_);
    AddVerbosity(start, common, "Say if it was started before");
    return start;
  }

  bool TakesCommand() const override { return true; }

  int Run(const CommonArguments& common, const std::vector<std::string>& words) override {
    client::Command command = options_.ToCommand(words);
    if (terminal_) {
      command.terminal = LikeOurs();
      command.input = true;
    }
    const auto client = client::Client::Connect({.target = common.host});
    const auto started = client.ok() ? (*client)->StartSession(command) : client.status();
    if (!started.ok()) {
      Report(started.status());
      return kExitFailure;
    }
    if (common.verbosity > 0 && started->already_started) Report("it was started before");
    std::cout << (json_ ? ToJson(started->session) : started->session.id) << std::endl;
    return std::cout.good() ? 0 : kExitFailure;
  }

 private:
  CommandOptions options_;
  bool terminal_ = false;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Verb> MakeStart() { return std::make_unique<Start>(); }

}  // namespace nacre::cli
