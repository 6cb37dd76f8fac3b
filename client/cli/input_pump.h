// Our standard input to the command's.
#ifndef NACRE_CLIENT_CLI_INPUT_PUMP_H_
#define NACRE_CLIENT_CLI_INPUT_PUMP_H_

#include <atomic>
#include <memory>

#include "client/cli/stop.h"
#include "nacre/client.h"

namespace nacre::cli {

// Reads standard input on a thread of its own, as fast as the command takes it, until its end, the
// command's end, or the end of our process, which never waits for it.
class InputPump {
 public:
  InputPump(std::shared_ptr<client::Process> process, Stop stop);

  // Whether reading failed. This was reported, and the process stopped: a broken input must not
  // look like a short one.
  bool failed() const { return *failed_; }

 private:
  const std::shared_ptr<std::atomic<bool>> failed_;
};

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_INPUT_PUMP_H_
