#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/address.h"
#include "base/unique_fd.h"
#include "keeper/spawner.h"

namespace nacre::keeper {

// A listening socket. The keeper keeps it while fronts come and go, so a connection attempt is
// never refused in between. Removes its Unix socket when destroyed.
class Listener {
 public:
  // Binds and listens. UNAVAILABLE: somebody serves that address; a dead daemon's socket file is
  // replaced. ALREADY_EXISTS: a file is there that is no socket. PERMISSION_DENIED: others could
  // put a socket of their own into its directory. A Unix socket gets mode 0600, its directory (if
  // missing) 0700.
  static absl::StatusOr<Listener> Open(const Address& address);
  Listener(Listener&&) = default;
  Listener& operator=(Listener&&) = default;
  ~Listener();

  // Lets the members of a group reach a Unix socket; absent: its owner alone (and root).
  absl::Status ShareWith(std::optional<gid_t> group) const;

  // As it was asked for, and as bound: with the port that the kernel chose.
  const Address& asked_for() const { return asked_for_; }
  const Address& address() const { return address_; }
  int fd() const { return fd_.get(); }

 private:
  Listener(Address asked_for, Address address, bool made_directory, UniqueFd fd)
      : asked_for_(std::move(asked_for)),
        address_(std::move(address)),
        made_directory_(made_directory),
        fd_(std::move(fd)) {}

  Address asked_for_, address_;
  bool made_directory_;
  UniqueFd fd_;
};

// Holds `directory`, created 0700 if missing, for this process alone until the result is closed.
// UNAVAILABLE: another daemon holds it.
absl::StatusOr<UniqueFd> LockDirectory(const std::string& directory);

// Makes a private directory (0700), unless it is there, and gives it to `owner`, if any. An error
// also for what is no directory.
absl::Status MakeDirectory(const std::string& path,
                           const std::optional<Credentials>& owner = std::nullopt);

}  // namespace nacre::keeper
