#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace nacre::bench {

// A child process whose standard streams are pipes to us, started with posix_spawn: the cheapest
// way that a program has to run another. Standard input is /dev/null unless asked for. Killed and
// reaped on destruction. Not thread-safe.
class Child {
 public:
  static absl::StatusOr<Child> Spawn(const std::vector<std::string>& argv, bool input = false);

  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();

  // Until Finish.
  pid_t pid() const { return pid_; }
  // Our ends; blocking.
  int in() const { return in_.get(); }
  int out() const { return out_.get(); }

  void CloseInput() { in_.reset(); }
  // Reads what is left of both outputs to their end and reaps; returns what was left of standard
  // output. INTERNAL, with
  // standard error, unless the child exited with 0.
  absl::StatusOr<std::string> Finish();

 private:
  Child() = default;

  pid_t pid_ = -1;
  UniqueFd in_, out_, err_;
};

// The environment that children get: like the one that Nacre gives, whatever ours is.
char* const* CleanEnvironment();

}  // namespace nacre::bench
