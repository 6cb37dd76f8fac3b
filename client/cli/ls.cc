// nacre ls
#include <algorithm>
#include <iostream>
#include <memory>
#include <utility>
#include <vector>

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
Lists directories of the node, by default the user's home, from which paths count. By name; a directory
of more than 10,000 entries in the order of its file system, as they come. On a terminal names are
shown with nothing that it would obey, else byte for byte.

Examples:
  nacre ls
  nacre ls -la :/etc
  nacre ls -o json :/var/log | jq -r 'select(.size > 1e6).name')";

constexpr size_t kMostSorted = 10'000;

using Entries = std::vector<client::FileInfo>;

class Ls : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* ls = app.add_subcommand("ls", "List directories of the node");
    ShowPathsInUsage(ls, "[:PATH...]");
    ls->footer(kExamples);
    AddHost(ls, common);
    AddRunAs(ls, &run_as_);
    ls->add_flag("-l,--long", long_, "Mode, links, owner, group, size and time too");
    ls->add_flag("-a,--all", all_, "Names that begin with a dot, too");
    ls->add_flag("-d,--directory", directory_, "Directories themselves, not what is in them");
    AddJson(ls, &json_, "an object for each, a line each,");
    return ls;
  }

  bool TakesPaths() const override { return true; }

  int Run(const CommonArguments& common, const std::vector<std::string>& words) override {
    const std::vector<std::string> paths = words.empty() ? std::vector<std::string>{":"} : words;
    several_ = paths.size() > 1;
    const int status = ForEachPath(
        "ls", common, run_as_, paths,
        [this](const client::Files& files, const std::string& path) { return List(files, path); });
    std::cout.flush();
    return std::cout.good() ? status : kExitFailure;
  }

 private:
  absl::Status List(const client::Files& files, const std::string& path) {
    auto file = files.Stat(path, /*follow=*/!long_ && !directory_);
    // A link that leads nowhere is a file all the same.
    if (absl::IsNotFound(file.status())) file = files.Stat(path);
    if (!file.ok()) return file.status();
    if (file->type == client::FileType::kDirectory && !directory_) {
      return ListDirectory(files, path);
    }
    file->name = path;
    Print({*std::move(file)});
    return absl::OkStatus();
  }

  absl::Status ListDirectory(const client::Files& files, const std::string& path) {
    if (several_ && !json_) {
      std::cout << (std::exchange(first_, false) ? "" : "\n") << ":" << ForOutput(path) << ":\n";
    }
    Entries entries;
    std::string token;
    bool sorted = true;
    do {
      auto page = files.List(path, token);
      if (!page.ok()) return page.status();
      for (client::FileInfo& entry : page->entries) {
        if (all_ || !entry.name.starts_with('.')) entries.push_back(std::move(entry));
      }
      token = page->next_page_token;
      sorted = sorted && entries.size() <= kMostSorted;
      if (!sorted) Print(std::exchange(entries, {}));
      if (!std::cout.good()) break;
    } while (!token.empty());
    std::sort(entries.begin(), entries.end(),
              [](const auto& one, const auto& other) { return one.name < other.name; });
    Print(entries);
    return absl::OkStatus();
  }

  void Print(const Entries& entries) const {
    if (json_) {
      for (const client::FileInfo& entry : entries) std::cout << ToJson(entry) << "\n";
    } else if (long_) {
      PrintLong(entries);
    } else {
      for (const client::FileInfo& entry : entries) std::cout << ForOutput(entry.name) << "\n";
    }
  }

  static void PrintLong(const Entries& entries) {
    std::vector<std::vector<std::string>> rows;
    for (const client::FileInfo& one : entries) {
      std::string name = ForOutput(one.name);
      if (one.type == client::FileType::kSymlink) {
        absl::StrAppend(&name, " -> ", ForOutput(one.link_target));
      }
      rows.push_back({ModeText(one.type, one.mode), absl::StrCat(one.links), absl::StrCat(one.uid),
                      absl::StrCat(one.gid), absl::StrFormat("%10d", one.size),
                      TimeText(one.modify_time), std::move(name)});
    }
    std::cout << Table(rows);
  }

  std::string run_as_;
  bool long_ = false;
  bool all_ = false;
  bool directory_ = false;
  bool json_ = false;
  bool several_ = false;
  bool first_ = true;
};

}  // namespace

std::unique_ptr<Verb> MakeLs() { return std::make_unique<Ls>(); }

}  // namespace nacre::cli
