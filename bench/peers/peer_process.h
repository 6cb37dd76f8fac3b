#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace nacre::bench {

// A program that serves beside us, in a process group of its own. The group is killed and
// reaped on destruction; the program also dies with us, however we end. Not thread-safe.
class PeerProcess {
 public:
  // Its standard input and output are `socket` if there is one; else nothing and a pipe to us.
  static absl::StatusOr<std::unique_ptr<PeerProcess>> Start(const std::vector<std::string>& argv,
                                                            UniqueFd socket = UniqueFd());

  // Has what peers leave come to us, so that we can reap it. Once, before any is started.
  static void AdoptOrphans();

  PeerProcess(const PeerProcess&) = delete;
  PeerProcess& operator=(const PeerProcess&) = delete;
  ~PeerProcess();

  // The next line of its standard output, without the line's end. Fails with what it wrote to
  // standard error if none comes.
  absl::StatusOr<std::string> ReadLine();
  // Readable when there is standard output, or will be no more.
  int out() const { return out_.get(); }
  // What it wrote to standard error so far, in one line.
  std::string Errors() const;

  // The flag under which main() calls Become with the number and the program that follow it.
  static constexpr char kFlag[] = "--become-peer";
  // Turns this process into a program that ends with `parent`. Returns an exit status if it can't.
  static int Become(pid_t parent, char** argv);

 private:
  PeerProcess() = default;

  pid_t pid_ = -1;
  UniqueFd out_, errors_;
};

}  // namespace nacre::bench
