#include "client/cli/report.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/cli/descriptors.h"
#include "client/cli/exit_status.h"
#include "client/cli/table.h"

namespace nacre::cli {
namespace {

std::string Result(const client::Termination& end) {
  if (const auto* exited = std::get_if<client::Exited>(&end.result)) {
    return absl::StrCat("status ", exited->code);
  }
  if (const auto* signaled = std::get_if<client::Signaled>(&end.result)) {
    return absl::StrCat("killed by ", signaled->name, signaled->core_dumped ? ", core dumped" : "");
  }
  return "status unknown";
}

}  // namespace

void Report(std::string_view message) {
  std::string line("nacre: ");
  line.append(Printable(message)).push_back('\n');
  (void)WriteAll(STDERR_FILENO, line);  // There is nobody else to tell.
}

void Report(const absl::Status& status) {
  Report(std::string_view(status.message().data(), status.message().size()));
}

int ReportUsage(std::string_view verb, std::string_view message) {
  Report(message);
  (void)WriteAll(STDERR_FILENO, absl::StrCat("Try 'nacre ", std::string(verb), " --help'.\n"));
  return kExitUsage;
}

int ReportUsage(std::string_view verb, const absl::Status& status) {
  return ReportUsage(verb, std::string_view(status.message().data(), status.message().size()));
}

void Report(const client::Gap& gap) {
  Report(absl::StrCat("output from ", gap.from, " to ", gap.to, " is no longer kept"));
}

std::string Ending(const client::Termination& end) {
  return absl::StrCat(std::string(client::CauseName(end.cause)), ", ", Result(end));
}

std::string Summary(const std::string& session_id, const client::Termination& end) {
  std::string text = absl::StrCat("session ", session_id, ": ", Ending(end), ", after ",
                                  absl::FormatDuration(end.run_time));
  for (const client::StreamSummary& stream : end.streams) {
    absl::StrAppend(&text,
                    stream.stream == client::OutputStream::kStdout ? ", stdout " : ", stderr ",
                    stream.bytes, " bytes");
  }
  if (end.output_held_open) {
    text.append(", output still held open by background children");
  } else if (!end.output_complete) {
    text.append(", output incomplete");
  }
  return text;
}

}  // namespace nacre::cli
