// nacre rm
#include <algorithm>
#include <memory>

#include "client/cli/each_path.h"
#include "client/cli/each_session.h"
#include "client/cli/options.h"
#include "client/cli/remote_path.h"
#include "client/cli/report.h"
#include "client/cli/verbs.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Of sessions, forgets record and output. Words that begin with a colon are files of the node, which it
removes; paths count from the user's home. A symbolic link is removed itself, never what it leads to.

Examples:
  nacre rm 6a1c9be1-17 6a1c9be1-18
  nacre rm -f 6a1c9be1-19
  nacre rm :out/log :out/core
  nacre rm -rf :/tmp/build)";

class Rm : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* rm = app.add_subcommand("rm", "Forget sessions that have ended; remove files");
    ShowPathsInUsage(rm, "ID... | :PATH...");
    rm->footer(kExamples);
    AddHost(rm, common);
    AddRunAs(rm, &run_as_);
    rm->add_flag("-f,--force", force_,
                 "Sessions that run, too: end them first; files that are missing: no error");
    rm->add_flag("-r,-R,--recursive", recursive_, "Directories too, with all in them");
    return rm;
  }

  bool TakesPaths() const override { return true; }

  int Run(const CommonArguments& common, const std::vector<std::string>& words) override {
    if (words.empty()) return ReportUsage("rm", "an ID or a path is missing");
    const auto remote = std::count_if(words.begin(), words.end(), IsRemote);
    if (remote == static_cast<std::ptrdiff_t>(words.size())) return RemoveFiles(common, words);
    if (remote > 0) return ReportUsage("rm", "sessions and files don't go together");
    if (recursive_ || !run_as_.empty()) {
      return ReportUsage("rm", "-r and -u are for files, which are written :PATH");
    }
    return ForEachSession(common, words, [this](client::Client& client, const std::string& id) {
      return client.DeleteSession(id, force_);
    });
  }

 private:
  int RemoveFiles(const CommonArguments& common, const std::vector<std::string>& words) const {
    return ForEachPath(
        "rm", common, run_as_, words, [this](const client::Files& files, const std::string& path) {
          const client::RemoveOptions options{.recursive = recursive_, .may_be_missing = force_};
          return files.Remove(path, options).status();
        });
  }

  std::string run_as_;
  bool force_ = false;
  bool recursive_ = false;
};

}  // namespace

std::unique_ptr<Verb> MakeRm() { return std::make_unique<Rm>(); }

}  // namespace nacre::cli
