// Where a command's output goes.
#ifndef NACRE_CLIENT_CLI_OUTPUT_SINK_H_
#define NACRE_CLIENT_CLI_OUTPUT_SINK_H_

#include <array>

#include "nacre/client.h"

namespace nacre::cli {

// Writes a command's output to our standard output and standard error. A stream that can't be
// written any more is dropped from then on; the other goes on. Not thread-safe.
class OutputSink {
 public:
  // Returns false when a stream fails that had worked: the command writes in vain.
  bool Write(const client::Output& output);

  // Exit status that failures ask for: 0 without one, 141 (as of SIGPIPE) when a reader has left,
  // 125 for other errors, which were reported.
  int exit_status() const { return exit_status_; }

 private:
  std::array<bool, 2> failed_{};  // By OutputStream.
  int exit_status_ = 0;
};

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_OUTPUT_SINK_H_
