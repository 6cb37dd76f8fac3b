#include "client/cli/output_sink.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

#include "client/cli/descriptors.h"
#include "client/cli/exit_status.h"
#include "client/cli/report.h"

namespace nacre::cli {

bool OutputSink::Write(const client::Output& output) {
  const bool is_stdout = output.stream == client::OutputStream::kStdout;
  bool& failed = failed_[static_cast<size_t>(output.stream)];
  if (failed) return true;
  const int error = WriteAll(is_stdout ? STDOUT_FILENO : STDERR_FILENO, output.data);
  if (error == 0) return true;
  failed = true;
  if (error == EPIPE) {
    if (exit_status_ == 0) exit_status_ = ExitOfSignal(SIGPIPE);
    return false;
  }
  exit_status_ = kExitNacreFailed;
  Report(
      std::string(is_stdout ? "cannot write standard output: " : "cannot write standard error: ") +
      std::generic_category().message(error));
  return false;
}

}  // namespace nacre::cli
