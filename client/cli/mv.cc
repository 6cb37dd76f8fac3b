// nacre mv
#include <memory>

#include "client/cli/each_path.h"
#include "client/cli/options.h"
#include "client/cli/remote_path.h"
#include "client/cli/report.h"
#include "client/cli/verbs.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Moves or renames a file or directory of the node, in one step; into the second path if that is a
directory. Paths count from the user's home.

Examples:
  nacre mv :draft.txt :final.txt
  nacre mv -n :/tmp/report :/srv/reports/)";

class Mv : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* mv = app.add_subcommand("mv", "Move or rename a file of the node");
    ShowPathsInUsage(mv, ":FROM :TO");
    mv->footer(kExamples);
    AddHost(mv, common);
    AddRunAs(mv, &run_as_);
    mv->add_flag("-n,--no-replace", must_not_exist_, "Fail if there is something in its place");
    return mv;
  }

  bool TakesPaths() const override { return true; }

  int Run(const CommonArguments& common, const std::vector<std::string>& words) override {
    const auto paths = RemotePaths(words, 2);
    if (!paths.ok()) return ReportUsage("mv", paths.status());
    if (paths->size() > 2) return ReportUsage("mv", "there are more than two paths");
    const std::string& to = paths->back();
    return ForEachPath(
        "mv", common, run_as_, {words.front()},
        [&](const client::Files& files, const std::string& from) { return Move(files, from, to); });
  }

 private:
  absl::Status Move(const client::Files& files, const std::string& from,
                    const std::string& to) const {
    const auto found = files.Stat(to, /*follow=*/true);
    const bool into = found.ok() && found->type == client::FileType::kDirectory;
    if (into && !IsEntryName(BaseName(from))) {
      return absl::InvalidArgumentError("has no name to move it by");
    }
    return files.Move(from, into ? Join(to, BaseName(from)) : to, must_not_exist_);
  }

  std::string run_as_;
  bool must_not_exist_ = false;
};

}  // namespace

std::unique_ptr<Verb> MakeMv() { return std::make_unique<Mv>(); }

}  // namespace nacre::cli
