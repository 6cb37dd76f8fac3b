// nacre cat
#include <memory>
#include <optional>

#include "client/cli/each_path.h"
#include "client/cli/exit_status.h"
#include "client/cli/options.h"
#include "client/cli/output_sink.h"
#include "client/cli/verbs.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Writes files of the node to our standard output, one after the other. Paths count from the user's home.

Examples:
  nacre cat :/etc/hostname
  nacre cat --offset 4096 --length 512 :data.bin | xxd
  nacre cat -u build :out/log)";

class Cat : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* cat = app.add_subcommand("cat", "Show files of the node");
    ShowPathsInUsage(cat, ":PATH...");
    cat->footer(kExamples);
    AddHost(cat, common);
    AddRunAs(cat, &run_as_);
    AddCount(cat, "--offset", &offset_, "BYTES", "Begin behind so many");
    AddCount(cat, "--length", &length_, "BYTES", "At most so many");
    AddRaw(cat, &raw_);
    return cat;
  }

  bool TakesPaths() const override { return true; }

  int Run(const CommonArguments& common, const std::vector<std::string>& words) override {
    OutputSink sink(raw_);
    const int status = ForEachPath("cat", common, run_as_, words,
                                   [&](const client::Files& files, const std::string& path) {
                                     return Show(files, path, sink);
                                   });
    sink.Finish();
    if (sink.exit_status() == 0) return status;
    return sink.exit_status() == kExitNacreFailed ? kExitFailure : sink.exit_status();
  }

 private:
  absl::Status Show(const client::Files& files, const std::string& path, OutputSink& sink) const {
    if (sink.exit_status() != 0) return absl::OkStatus();
    const auto reader = files.Read(path, {.offset = offset_.value_or(0), .length = length_});
    if (!reader.ok()) return reader.status();
    for (;;) {
      const auto chunk = (*reader)->Next();
      if (!chunk.ok()) return chunk.status();
      if (chunk->end()) return absl::OkStatus();
      if (!sink.Write({.stream = client::OutputStream::kStdout, .data = chunk->data})) {
        return absl::OkStatus();
      }
    }
  }

  std::string run_as_;
  std::optional<uint64_t> offset_;
  std::optional<uint64_t> length_;
  bool raw_ = false;
};

}  // namespace

std::unique_ptr<Verb> MakeCat() { return std::make_unique<Cat>(); }

}  // namespace nacre::cli
