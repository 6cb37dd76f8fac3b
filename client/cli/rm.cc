// nacre rm
#include <memory>

#include "client/cli/each_session.h"
#include "client/cli/options.h"
#include "client/cli/verbs.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Forgets record and output.

Examples:
  nacre rm 6a1c9be1-17 6a1c9be1-18
  nacre rm -f 6a1c9be1-19)";

class Rm : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* rm = app.add_subcommand("rm", "Forget sessions that have ended");
    rm->footer(kExamples);
    AddHost(rm, common);
    rm->add_flag("-f,--force", force_, "Also those that run: end them first");
    AddSessions(rm, &ids_);
    return rm;
  }

  int Run(const CommonArguments& common, const std::vector<std::string>& /*words*/) override {
    return ForEachSession(common, ids_, [this](client::Client& client, const std::string& id) {
      return client.DeleteSession(id, force_);
    });
  }

 private:
  std::vector<std::string> ids_;
  bool force_ = false;
};

}  // namespace

std::unique_ptr<Verb> MakeRm() { return std::make_unique<Rm>(); }

}  // namespace nacre::cli
