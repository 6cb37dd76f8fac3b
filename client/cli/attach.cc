// nacre attach
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

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
Drives the session: the command waits for us to take its output, and its last driver becomes a viewer.
Begins with the output that the last driver has not taken, or with the oldest that is kept.

Examples:
  nacre attach 6a1c9be1-17
  nacre attach -i 6a1c9be1-17 < more-input
  nacre attach --read-only --from 0 6a1c9be1-17

Signals go to the command as with exec; with --read-only, which begins with what comes next, they
only end us. So does a reader of our output that leaves: the command runs on.

Exit status: as of 'nacre exec'.)";

class Attach : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* attach = app.add_subcommand("attach", "Follow a session that exists");
    attach->footer(kExamples);
    AddHost(attach, common);
    AddCount(attach, "--from", &from_, "POSITION", "Position in the output to begin at");
    CLI::Option* input =
        attach->add_flag("-i,--input", input_, "Pass our standard input to the command");
    attach->add_flag("--read-only", read_only_, "Only watch")->excludes(input);
    AddEscape(attach, &escape_);
    AddRaw(attach, &raw_);
    AddResume(attach, &resume_for_);
    AddVerbosity(attach, common, "Say on standard error how it ended and when we were away");
    AddSession(attach, &id_);
    return attach;
  }

  int Run(const CommonArguments& common, const std::vector<std::string>& /*words*/) override {
    std::optional<sigset_t> held;
    if (!read_only_) held = HoldSignals();
    const auto client = client::Client::Connect({.target = common.host, .resume_for = resume_for_});
    auto process =
        client.ok()
            ? (*client)->Attach(id_, {.drive = !read_only_, .input = input_, .position = from_})
            : client.status();
    if (!process.ok()) {
      Report(process.status());
      return kExitNacreFailed;
    }
    return Follow(*std::move(process), {.target = (*client)->target(),
                                        .verbosity = common.verbosity,
                                        .input = input_,
                                        .raw = raw_,
                                        .escape = escape_,
                                        .stop = &client::Process::Detach,
                                        .signals = held});
  }

 private:
  std::string id_;
  std::optional<uint64_t> from_;
  bool read_only_ = false;
  bool input_ = false;
  bool raw_ = false;
  std::optional<char> escape_ = kEscape;
  absl::Duration resume_for_ = client::ConnectOptions().resume_for;
};

}  // namespace

std::unique_ptr<Verb> MakeAttach() { return std::make_unique<Attach>(); }

}  // namespace nacre::cli
