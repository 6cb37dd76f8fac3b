// Where a command's output goes.
#ifndef NACRE_CLIENT_CLI_OUTPUT_SINK_H_
#define NACRE_CLIENT_CLI_OUTPUT_SINK_H_

#include <array>
#include <optional>
#include <string_view>

#include "client/cli/terminal_filter.h"
#include "nacre/client.h"

namespace nacre::cli {

// Writes a command's output to our standard output and standard error: byte for byte, but for
// terminals, which get it through a TerminalFilter unless it is `raw`. A stream that can't be
// written any more is dropped from then on; the other goes on. Not thread-safe.
class OutputSink {
 public:
  explicit OutputSink(bool raw);

  // Terminals get all as it is from now on.
  void LetThrough();

  // Returns false when a stream fails that had worked: the command writes in vain.
  bool Write(const client::Output& output);

  // No output follows: writes what filters still hold.
  void Finish();

  // Exit status that failures ask for: 0 without one, 141 (as of SIGPIPE) when a reader has left,
  // 125 for other errors, which were reported.
  int exit_status() const { return exit_status_; }

 private:
  struct Stream {
    int fd = -1;
    std::optional<TerminalFilter> filter;
    bool failed = false;
  };

  bool Write(Stream& stream, std::string_view data);

  std::array<Stream, 2> streams_;  // By OutputStream.
  int exit_status_ = 0;
};

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_OUTPUT_SINK_H_
