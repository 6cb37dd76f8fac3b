// nacre mkdir
#include <memory>
#include <optional>

#include "client/cli/each_path.h"
#include "client/cli/options.h"
#include "client/cli/verbs.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Makes directories on the node. Paths count from the user's home.

Examples:
  nacre mkdir :out
  nacre mkdir -p -m 700 :/srv/data/keys)";

class Mkdir : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* mkdir = app.add_subcommand("mkdir", "Make directories on the node");
    ShowPathsInUsage(mkdir, ":PATH...");
    mkdir->footer(kExamples);
    AddHost(mkdir, common);
    AddRunAs(mkdir, &run_as_);
    mkdir->add_flag("-p,--parents", parents_,
                    "Those above too; one that is there already is no error");
    AddMode(mkdir, "-m,--mode", &mode_, "Its permissions, octal; default: 755");
    return mkdir;
  }

  bool TakesPaths() const override { return true; }

  int Run(const CommonArguments& common, const std::vector<std::string>& words) override {
    return ForEachPath("mkdir", common, run_as_, words,
                       [this](const client::Files& files, const std::string& path) {
                         const client::MakeDirectoryOptions options{
                             .mode = mode_, .special_bits = true, .parents = parents_};
                         return files.MakeDirectory(path, options).status();
                       });
  }

 private:
  std::string run_as_;
  bool parents_ = false;
  std::optional<uint32_t> mode_;
};

}  // namespace

std::unique_ptr<Verb> MakeMkdir() { return std::make_unique<Mkdir>(); }

}  // namespace nacre::cli
