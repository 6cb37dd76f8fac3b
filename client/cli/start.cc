// nacre start
#include <iostream>
#include <memory>

#include "client/cli/command_options.h"
#include "client/cli/exit_status.h"
#include "client/cli/json.h"
#include "client/cli/options.h"
#include "client/cli/report.h"
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

Follow it with 'nacre logs' or 'nacre attach', see it with 'nacre ps', await it with 'nacre wait'.)";

void AddOverflow(CLI::App* app, client::Overflow* overflow) {
  app->add_option_function<std::string>(
         "--overflow",
         [overflow](const std::string& name) {
           *overflow = name == "block" ? client::Overflow::kBlock : client::Overflow::kKeepNewest;
         },
         "If nobody takes more output than is kept: drop the oldest (default), block the command")
      ->type_name("newest|block")
      ->check(CLI::IsMember({"newest", "block"}).description(""));
}

class Start : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* start = app.add_subcommand("start", "Start a command and leave it running");
    ShowCommandInUsage(start);
    start->footer(kExamples);
    AddHost(start, common);
    start->add_flag("--input", options_.command().input,
                    "It reads what later writers give it; default: end of file");
    options_.AddTo(start);
    AddOverflow(start, &options_.command().overflow);
    AddSize(start, "--keep", &options_.command().retention_bytes,
            "Newest output kept of each stream, 256K (default) to 1M");
    AddJson(start, &json_);
    AddVerbosity(start, common, "Say if it was started before");
    return start;
  }

  bool TakesCommand() const override { return true; }

  int Run(const CommonArguments& common, const std::vector<std::string>& words) override {
    const auto client = client::Client::Connect({.target = common.host});
    const auto started =
        client.ok() ? (*client)->StartSession(options_.ToCommand(words)) : client.status();
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
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Verb> MakeStart() { return std::make_unique<Start>(); }

}  // namespace nacre::cli
