#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "bench/scratch_directory.h"

namespace nacre::bench {

// Serves the floors on a Unix socket at `path` until the process is killed; ends with its parent
// (the process `parent`). Returns an exit status if it can't.
int ServeFloors(const std::string& path, pid_t parent);

// ServeFloors in a process of its own, as Nacre's front is one, with the socket in a fresh
// directory that only we can enter. Both go with this object.
class FloorServer {
 public:
  static absl::StatusOr<std::unique_ptr<FloorServer>> Start();

  FloorServer(const FloorServer&) = delete;
  FloorServer& operator=(const FloorServer&) = delete;
  ~FloorServer();

  // For a gRPC channel. The server may not listen there yet.
  std::string target() const { return "unix:" + socket(); }

  // Takes the socket out of the file system, so that nothing is left behind however we end.
  // Channels that are connected stay so.
  void Unlink() { directory_.Remove(); }

  // The flag under which main() calls ServeFloors with the path that follows it.
  static constexpr char kFlag[] = "--serve-floors";

 private:
  explicit FloorServer(ScratchDirectory directory) : directory_(std::move(directory)) {}
  std::string socket() const { return directory_.File("socket"); }

  ScratchDirectory directory_;
  pid_t pid_ = -1;
};

}  // namespace nacre::bench
