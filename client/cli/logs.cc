// nacre logs
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "client/cli/exit_status.h"
#include "client/cli/options.h"
#include "client/cli/output_sink.h"
#include "client/cli/report.h"
#include "client/cli/tail_buffer.h"
#include "client/cli/verbs.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Shows what is kept of a session's output, each stream on ours. Never holds the command up.

Examples:
  nacre logs 6a1c9be1-17
  nacre logs -f --tail 10 6a1c9be1-17
  nacre logs --from 4096 6a1c9be1-17)";

// Where a session's oldest kept output may be gone by the time we ask for it.
constexpr int kAttempts = 5;

struct View {
  std::shared_ptr<client::Process> process;
  uint64_t position = 0;
  uint64_t end = 0;  // Of what there was when we asked.
};

class Logs : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* logs = app.add_subcommand("logs", "Show a session's output");
    logs->footer(kExamples);
    AddHost(logs, common);
    logs->add_flag("-f,--follow", follow_, "Go on to the session's end");
    AddCount(logs, "--from", &from_, "POSITION",
             "Position in the output to begin at; default: the oldest kept");
    AddCount(logs, "--tail", &tail_, "LINES", "Begin with the last so many lines");
    AddRaw(logs, &raw_);
    AddSession(logs, &id_);
    return logs;
  }

  int Run(const CommonArguments& common, const std::vector<std::string>& /*words*/) override {
    const auto client = client::Client::Connect({.target = common.host});
    auto view = client.ok() ? Open(**client) : client.status();
    OutputSink sink(raw_);
    const absl::Status status = view.ok() ? Show(*view, sink) : view.status();
    sink.Finish();
    if (sink.exit_status() != 0)
      return sink.exit_status() == kExitNacreFailed ? kExitFailure : sink.exit_status();
    if (status.ok()) return 0;
    Report(status);
    return kExitFailure;
  }

 private:
  // Output may come faster than we can ask for the oldest of it: each attempt begins further on,
  // the last one where nothing is lost yet.
  absl::StatusOr<View> Open(client::Client& client) {
    for (int attempt = 1;; ++attempt) {
      const auto session = client.GetSession(id_);
      if (!session.ok()) return session.status();
      const uint64_t kept = session->kept_position;
      const uint64_t end = session->end_position;
      client::AttachOptions options{.drive = false};
      if (attempt < kAttempts) {
        const uint64_t oldest = kept + (end - kept) * (attempt - 1) / kAttempts;
        options.position = std::max(from_.value_or(0), oldest);
      }
      auto process = client.Attach(id_, options);
      if (!process.ok()) return process.status();
      const auto first = (*process)->Next();
      if (client::ErrorReason(first.status()) == "POSITION_NOT_KEPT") continue;
      if (!first.ok()) return first.status();
      const uint64_t position = std::get<client::Started>(*first).position;
      if (from_.value_or(position) < position) Report(client::Gap{.from = *from_, .to = position});
      return View{.process = *std::move(process), .position = position, .end = end};
    }
  }

  absl::Status Show(View& view, OutputSink& sink) {
    std::optional<TailBuffer> tail;
    if (tail_.has_value()) tail.emplace(*tail_);
    for (;;) {
      if (tail.has_value() && view.position >= view.end) {
        for (const TailBuffer::Piece& piece : tail->Take()) {
          if (!sink.Write({.stream = piece.stream, .data = piece.data})) return absl::OkStatus();
        }
        tail.reset();
      }
      if (!follow_ && view.position >= view.end) return absl::OkStatus();
      const auto event = view.process->Next();
      if (!event.ok()) return event.status();
      if (std::holds_alternative<client::Terminated>(*event)) return absl::OkStatus();
      if (const auto* gap = std::get_if<client::Gap>(&*event)) {
        Report(*gap);
        view.position = gap->to;
      }
      const auto* output = std::get_if<client::Output>(&*event);
      if (output == nullptr) continue;
      view.position += output->data.size();
      if (tail.has_value()) {
        tail->Add(output->stream, output->data);
      } else if (!sink.Write(*output)) {
        return absl::OkStatus();
      }
    }
  }

  std::string id_;
  bool follow_ = false;
  std::optional<uint64_t> from_;
  std::optional<uint64_t> tail_;
  bool raw_ = false;
};

}  // namespace

std::unique_ptr<Verb> MakeLogs() { return std::make_unique<Logs>(); }

}  // namespace nacre::cli
