// nacre exec
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
Everything from the first word that is no option belongs to the command.

Examples:
  nacre exec ls -l
  nacre exec --timeout 1.5m -- sh -c 'make; echo done'
  nacre exec -i -- sort < names
  nacre exec -v -- head -c 1G /dev/zero | wc -c
  nacre exec --tag job=42 --on-disconnect keep -- make -j4
  nacre exec -t -- vim notes
  nacre exec -c 'for i in *.log; do wc -l "$i"; done'

With -t our keys are the command's: behind the start of a line ~. leaves, ~d detaches, ~? helps.
Without, Ctrl-C reaches the command; the third one ends it (SIGTERM, 5 s, SIGKILL), the fifth gives up.

When the connection is lost, exec goes on by itself where it was, for a minute; with --no-resume it
fails. The command runs on meanwhile, as --on-disconnect and --grace say.

Exit status: the command's own; 128+N if signal N killed it; 124 if its timeout passed; 126 if it can't
be executed, 127 if there is no such program; 125 if Nacre or the network failed,
or it wrote more than --output-limit; 141 if nobody reads
our output any more; 2 if the usage was wrong.)";

class Exec : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* exec = app.add_subcommand("exec", "Run a command and follow it to its end");
    ShowCommandInUsage(exec);
    exec->footer(kExamples);
    AddHost(exec, common);
    exec->add_flag("-i,--input", options_.command().input,
                   "Pass our standard input to the command");
    exec->add_flag("-t,--terminal", has_terminal_, "Give it a terminal like ours, and -i");
    AddEscape(exec, &escape_);
    options_.AddShell(exec);
    options_.AddTo(exec);
    AddRaw(exec, &raw_);
    AddResume(exec, &resume_for_);
    AddVerbosity(exec, common, "Say on standard error how it ended and when we were away");
    return exec;
  }

  bool TakesCommand() const override { return true; }

  int Run(const CommonArguments& common, const std::vector<std::string>& words) override {
    const sigset_t held = HoldSignals();
    client::Command command = options_.ToCommand(words);
    if (has_terminal_) {
      command.terminal = LikeOurs();
      command.input = true;
    }
    const auto client = client::Client::Connect({.target = common.host, .resume_for = resume_for_});
    auto process = client.ok() ? (*client)->Exec(command) : client.status();
    if (!process.ok()) {
      Report(process.status());
      return kExitNacreFailed;
    }
    return Follow(*std::move(process), {.target = (*client)->target(),
                                        .verbosity = common.verbosity,
                                        .input = command.input,
                                        .raw = raw_,
                                        .escape = escape_,
                                        .stop = &client::Process::Cancel,
                                        .signals = held});
  }

 private:
  CommandOptions options_;
  std::optional<char> escape_ = kEscape;
  bool has_terminal_ = false;
  bool raw_ = false;
  absl::Duration resume_for_ = client::ConnectOptions().resume_for;
};

}  // namespace

std::unique_ptr<Verb> MakeExec() { return std::make_unique<Exec>(); }

}  // namespace nacre::cli
