#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/address.h"
#include "bench/scratch_directory.h"

namespace nacre::bench {

// What an sshd of our own and its clients need: keys, and a configuration for each side, in a
// directory that goes with this object. Nothing of the machine's or the user's own is read. Not
// thread-safe.
class SshSetup {
 public:
  // For an sshd at `address`. NOT_FOUND: OpenSSH is not installed.
  static absl::StatusOr<SshSetup> Make(const Address& address);

  // What the clients' configuration calls the host.
  static constexpr char kHost[] = "nacre-bench";
  static constexpr char kSsh[] = "/usr/bin/ssh";

  // The clients' configuration, for their -F.
  std::string client_configuration() const { return scratch_.File("ssh_config"); }
  // An sshd with `options`, among them -i (the connection is its standard input) or -D.
  std::vector<std::string> SshdCommand(const std::vector<std::string>& options) const;
  // A path in the directory.
  std::string File(const std::string& name) const { return scratch_.File(name); }

 private:
  explicit SshSetup(ScratchDirectory scratch) : scratch_(std::move(scratch)) {}

  absl::Status MakeKeys() const;
  absl::Status WriteConfigurations(const Address& address) const;

  ScratchDirectory scratch_;
};

}  // namespace nacre::bench
