// nacre kill
#include <memory>
#include <string>

#include "client/cli/each_session.h"
#include "client/cli/options.h"
#include "client/cli/signals.h"
#include "client/cli/verbs.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Sends a signal; what the command makes of it is its own affair. 'nacre end' ends it for sure.

Examples:
  nacre kill 6a1c9be1-17
  nacre kill -s HUP 6a1c9be1-17 6a1c9be1-18
  nacre kill -s 9 --scope leader 6a1c9be1-17)";

std::string CheckSignal(const std::string& text) {
  return ParseSignal(text).has_value() ? "" : "\"" + text + "\" is no signal";
}

class Kill : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* kill = app.add_subcommand("kill", "Send a signal to commands");
    kill->footer(kExamples);
    AddHost(kill, common);
    kill->add_option("-s,--signal", signal_, "By name or number; default: TERM")
        ->type_name("SIGNAL")
        ->check(CheckSignal);
    AddScope(kill, "--scope", &scope_,
             "Whom it reaches; default: session, everything the command has started");
    AddSessions(kill, &ids_);
    return kill;
  }

  int Run(const CommonArguments& common, const std::vector<std::string>& /*words*/) override {
    const int number = *ParseSignal(signal_);
    return ForEachSession(common, ids_, [&](client::Client& client, const std::string& id) {
      return client.SignalSession(id, number, scope_);
    });
  }

 private:
  std::vector<std::string> ids_;
  std::string signal_ = "TERM";
  client::KillScope scope_ = client::KillScope::kSession;
};

}  // namespace

std::unique_ptr<Verb> MakeKill() { return std::make_unique<Kill>(); }

}  // namespace nacre::cli
