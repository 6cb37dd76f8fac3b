#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/seqpacket.h"
#include "base/unique_fd.h"
#include "keeper/spawner.h"

namespace nacre::keeper {

// What is started as the front.
struct FrontProgram {
  // Opened by this process, so that its directories need not be the front's to walk.
  std::string path;
  std::vector<std::string> arguments;
  // Absent: those of this process.
  std::optional<Credentials> credentials;
};

// One run of nacre-front: the process and the keeper's end of its channel. Keeper's thread only.
class FrontProcess {
 public:
  // Starts the program with the channel as its descriptor 0, our standard error, and nothing else.
  // Blocks until it runs. The launcher needs a free lane.
  static absl::StatusOr<FrontProcess> Start(Launcher& launcher, const FrontProgram& program);

  int pid() const { return pid_; }
  // Readable once the process has exited.
  UniqueFd& pidfd() { return pidfd_; }
  // Not valid any more once it was closed.
  UniqueFd& channel() { return channel_; }
  bool connected() const { return channel_.valid(); }

  void Kill(int signal) const;
  // Reaps the exited process and says how it ended.
  std::string Reap();

 private:
  FrontProcess() = default;

  int pid_ = -1;
  UniqueFd pidfd_, channel_;
};

// How long to wait before the next front: nothing after one that lived well, else doubling.
class Backoff {
 public:
  // `served_ns` is how long the last front served; 0: it never did.
  int64_t NextDelayNs(int64_t served_ns);

 private:
  int64_t delay_ns_ = 0;
};

}  // namespace nacre::keeper
