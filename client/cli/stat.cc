// nacre stat
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/each_path.h"
#include "client/cli/exit_status.h"
#include "client/cli/file_line.h"
#include "client/cli/json.h"
#include "client/cli/options.h"
#include "client/cli/table.h"
#include "client/cli/verbs.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Describes files of the node. Paths count from the user's home, which ":" is.

Examples:
  nacre stat :/etc/hostname
  nacre stat -L :/etc/localtime
  nacre stat -o json :/var/log/messages | jq .size)";

std::string ToText(const std::string& path, const client::FileInfo& file) {
  std::vector<std::vector<std::string>> rows = {
      {"path:", ":" + Printable(path)},
      {"type:", std::string(client::FileTypeName(file.type))},
      {"size:", absl::StrCat(file.size, " bytes, ", file.allocated_bytes, " on the disk")},
      {"mode:", absl::StrFormat("%04o %s", file.mode, ModeText(file.type, file.mode))},
      {"modified:", absl::FormatTime(absl::RFC3339_full, file.modify_time, absl::LocalTimeZone())},
      {"owner:", absl::StrCat("uid ", file.uid, ", gid ", file.gid)},
      {"links:", absl::StrCat(file.links)},
      {"inode:", absl::StrCat(file.inode, " on device ", file.device)}};
  if (file.type == client::FileType::kSymlink) {
    rows.push_back({"leads to:", Printable(file.link_target)});
  }
  return Table(rows);
}

class Stat : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* stat = app.add_subcommand("stat", "Describe files of the node");
    ShowPathsInUsage(stat, ":PATH...");
    stat->footer(kExamples);
    AddHost(stat, common);
    AddRunAs(stat, &run_as_);
    stat->add_flag("-L,--dereference", follow_, "Of a symbolic link, what it leads to");
    AddJson(stat, &json_, "each file, a line each,");
    return stat;
  }

  bool TakesPaths() const override { return true; }

  int Run(const CommonArguments& common, const std::vector<std::string>& words) override {
    const auto show = [this](const client::Files& files, const std::string& path) {
      const auto file = files.Stat(path, follow_);
      if (!file.ok()) return file.status();
      if (json_) {
        std::cout << ToJson(*file) << "\n";
      } else {
        std::cout << (std::exchange(first_, false) ? "" : "\n") << ToText(path, *file);
      }
      return absl::OkStatus();
    };
    const int status = ForEachPath("stat", common, run_as_, words, show);
    std::cout.flush();
    return std::cout.good() ? status : kExitFailure;
  }

 private:
  std::string run_as_;
  bool follow_ = false;
  bool json_ = false;
  bool first_ = true;
};

}  // namespace

std::unique_ptr<Verb> MakeStat() { return std::make_unique<Stat>(); }

}  // namespace nacre::cli
