// nacre watch
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/each_path.h"
#include "client/cli/exit_status.h"
#include "client/cli/file_line.h"
#include "client/cli/json.h"
#include "client/cli/options.h"
#include "client/cli/report.h"
#include "client/cli/verbs.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Tells what happens in a directory of the node, or to a file, as it happens: time, kind and name, a line
each, until it is interrupted or what is watched is gone. "overflow": some was missed, look again.

Examples:
  nacre watch :/var/spool/in
  nacre watch -o json :out | jq -r 'select(.kind == "closed").name')";

std::string ToLine(const client::WatchEvent& event, absl::Time time) {
  std::string line = TimeText(time) + "  ";
  if (const auto* happened = std::get_if<client::FileEvent>(&event)) {
    absl::StrAppend(&line, std::string(client::FileEventKindName(happened->kind)), "  ",
                    ForOutput(happened->name.empty() ? "." : happened->name),
                    happened->directory && !happened->name.empty() ? "/" : "");
    return line;
  }
  return line + (std::holds_alternative<client::Watching>(event) ? "watching" : "overflow");
}

class Watch : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* watch = app.add_subcommand("watch", "Tell what happens to files of the node");
    ShowPathsInUsage(watch, ":PATH");
    watch->footer(kExamples);
    AddHost(watch, common);
    AddRunAs(watch, &run_as_);
    AddJson(watch, &json_, "an object for each event, a line each,");
    return watch;
  }

  bool TakesPaths() const override { return true; }

  int Run(const CommonArguments& common, const std::vector<std::string>& words) override {
    if (words.size() > 1) return ReportUsage("watch", "there is more than one path");
    const int status = ForEachPath(
        "watch", common, run_as_, words,
        [this](const client::Files& files, const std::string& path) { return Tell(files, path); });
    return std::cout.good() ? status : kExitFailure;
  }

 private:
  absl::Status Tell(const client::Files& files, const std::string& path) const {
    const auto watch = files.Watch(path);
    if (!watch.ok()) return watch.status();
    while (std::cout.good()) {
      const auto event = (*watch)->Next();
      if (!event.ok()) return event.status();
      const absl::Time now = absl::Now();
      std::cout << (json_ ? ToJson(*event, now) : ToLine(*event, now)) << std::endl;
    }
    return absl::OkStatus();
  }

  std::string run_as_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Verb> MakeWatch() { return std::make_unique<Watch>(); }

}  // namespace nacre::cli
