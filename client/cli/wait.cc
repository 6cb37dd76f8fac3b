// nacre wait
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "client/cli/exit_status.h"
#include "client/cli/json.h"
#include "client/cli/options.h"
#include "client/cli/report.h"
#include "client/cli/verbs.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Prints how the command ended.

Examples:
  nacre wait 6a1c9be1-17
  nacre wait --timeout 10m -o json 6a1c9be1-17

Exit status: the command's, as of 'nacre exec'; 1 if it still runs when the timeout has passed; 125 if
Nacre or the network failed.)";

class Wait : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* wait = app.add_subcommand("wait", "Wait for a session's end");
    wait->footer(kExamples);
    AddHost(wait, common);
    AddDuration(wait, "--timeout", &timeout_, absl::ZeroDuration(), "Wait no longer than this");
    AddJson(wait, &json_);
    AddSession(wait, &id_);
    return wait;
  }

  int Run(const CommonArguments& common, const std::vector<std::string>& /*words*/) override {
    const auto client = client::Client::Connect({.target = common.host});
    const auto session =
        client.ok() ? (*client)->WaitSession(id_, timeout_.value_or(absl::InfiniteDuration()))
                    : client.status();
    if (!session.ok()) {
      Report(session.status());
      return kExitNacreFailed;
    }
    if (!session->termination.has_value()) {
      Report(id_ + ": still running");
      return kExitFailure;
    }
    const client::Termination& end = *session->termination;
    std::cout << (json_ ? ToJson(*session) : session->id + ": " + Ending(end)) << std::endl;
    return std::cout.good() ? ExitStatus(end) : kExitNacreFailed;
  }

 private:
  std::string id_;
  std::optional<absl::Duration> timeout_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Verb> MakeWait() { return std::make_unique<Wait>(); }

}  // namespace nacre::cli
