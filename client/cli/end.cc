// nacre end
#include <memory>

#include "client/cli/each_session.h"
#include "client/cli/options.h"
#include "client/cli/verbs.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Ends the commands as their kill ladders say: SIGTERM, 5 s, SIGKILL. Doesn't wait; record and output stay.

Examples:
  nacre end 6a1c9be1-17
  nacre end 6a1c9be1-17 && nacre wait 6a1c9be1-17)";

class End : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* end = app.add_subcommand("end", "End sessions");
    end->footer(kExamples);
    AddHost(end, common);
    AddSessions(end, &ids_);
    return end;
  }

  int Run(const CommonArguments& common, const std::vector<std::string>& /*words*/) override {
    return ForEachSession(common, ids_, [](client::Client& client, const std::string& id) {
      return client.EndSession(id).status();
    });
  }

 private:
  std::vector<std::string> ids_;
};

}  // namespace

std::unique_ptr<Verb> MakeEnd() { return std::make_unique<End>(); }

}  // namespace nacre::cli
