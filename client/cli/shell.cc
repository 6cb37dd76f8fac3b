// nacre shell
#include <memory>
#include <optional>
#include <utility>

#include "client/cli/command_options.h"
#include "client/cli/exit_status.h"
#include "client/cli/follow.h"
#include "client/cli/options.h"
#include "client/cli/report.h"
#include "client/cli/signal_forwarder.h"
#include "client/cli/terminal_use.h"
#include "client/cli/verbs.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Starts the user's own shell as a login would, with a terminal like ours; without one if our standard
input is none.

Examples:
  nacre shell
  nacre shell -u postgres
  nacre shell --on-disconnect keep      (and later: nacre attach -i ID)
  nacre shell < script

Behind the start of a line:
  ~.   leave at once; the node ends the shell after --grace
  ~d   detach: the shell runs on
  ~^Z  suspend us
  ~?   help
  ~~   type ~

Exit status: as of 'nacre exec'.)";

class Shell : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* shell = app.add_subcommand("shell", "Open the user's login shell");
    shell->footer(kExamples);
    AddHost(shell, common);
    options_.AddTo(shell);
    AddEscape(shell, &escape_);
    AddResume(shell, &resume_for_);
    AddVerbosity(shell, common, "Say on standard error how it ended and when we were away");
    return shell;
  }

  int Run(const CommonArguments& common, const std::vector<std::string>& /*words*/) override {
    const sigset_t held = HoldSignals();
    client::Command command = options_.ToCommand({});
    command.login_shell = true;
    command.input = true;
    if (OnTerminal()) command.terminal = LikeOurs();
    const auto client = client::Client::Connect({.target = common.host, .resume_for = resume_for_});
    auto process = client.ok() ? (*client)->Exec(command) : client.status();
    if (!process.ok()) {
      Report(process.status());
      return kExitNacreFailed;
    }
    return Follow(*std::move(process), {.target = (*client)->target(),
                                        .verbosity = common.verbosity,
                                        .input = true,
                                        .escape = escape_,
                                        .stop = &client::Process::Cancel,
                                        .signals = held});
  }

 private:
  CommandOptions options_;
  std::optional<char> escape_ = kEscape;
  absl::Duration resume_for_ = client::ConnectOptions().resume_for;
};

}  // namespace

std::unique_ptr<Verb> MakeShell() { return std::make_unique<Shell>(); }

}  // namespace nacre::cli
