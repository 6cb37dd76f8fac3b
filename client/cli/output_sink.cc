#include "client/cli/output_sink.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <system_error>

#include "client/cli/descriptors.h"
#include "client/cli/exit_status.h"
#include "client/cli/report.h"

namespace nacre::cli {

OutputSink::OutputSink(bool raw) : streams_{Stream{STDOUT_FILENO}, Stream{STDERR_FILENO}} {
  for (Stream& stream : streams_) {
    if (!raw && ::isatty(stream.fd) != 0) stream.filter.emplace();
  }
}

void OutputSink::LetThrough() {
  for (Stream& stream : streams_) stream.filter.reset();
}

bool OutputSink::Write(const client::Output& output) {
  Stream& stream = streams_[static_cast<size_t>(output.stream)];
  return Write(stream,
               stream.filter.has_value() ? stream.filter->Filter(output.data) : output.data);
}

void OutputSink::Finish() {
  for (Stream& stream : streams_) {
    if (stream.filter.has_value()) (void)Write(stream, stream.filter->Finish());
  }
}

bool OutputSink::Write(Stream& stream, std::string_view data) {
  if (stream.failed) return true;
  const int error = WriteAll(stream.fd, data);
  if (error == 0) return true;
  stream.failed = true;
  if (error == EPIPE) {
    if (exit_status_ == 0) exit_status_ = ExitOfSignal(SIGPIPE);
    return false;
  }
  exit_status_ = kExitNacreFailed;
  Report(std::string(stream.fd == STDOUT_FILENO ? "cannot write standard output: "
                                                : "cannot write standard error: ") +
         std::generic_category().message(error));
  return false;
}

}  // namespace nacre::cli
