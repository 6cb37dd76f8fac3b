#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/address.h"
#include "base/unique_fd.h"

namespace nacre::keeper {

// A listening socket under the name it has across fronts. The keeper keeps it while fronts come and
// go, so a connection attempt is never refused in between. Removes its Unix socket when destroyed.
class Listener {
 public:
  // Binds and listens. UNAVAILABLE: somebody serves that address; a dead daemon's socket file is
  // replaced. ALREADY_EXISTS: a file is there that is no socket. A Unix socket gets mode 0600, its
  // directory (if missing) 0700.
  static absl::StatusOr<Listener> Open(std::string name, const Address& address);
  Listener(Listener&&) = default;
  Listener& operator=(Listener&&) = default;
  ~Listener();

  const std::string& name() const { return name_; }
  // As bound: with the port that the kernel chose.
  const Address& address() const { return address_; }
  int fd() const { return fd_.get(); }

 private:
  Listener(std::string name, Address address, UniqueFd fd)
      : name_(std::move(name)), address_(std::move(address)), fd_(std::move(fd)) {}

  std::string name_;
  Address address_;
  UniqueFd fd_;
};

// Holds `directory`, created 0700 if missing, for this process alone until the result is closed.
// UNAVAILABLE: another daemon holds it.
absl::StatusOr<UniqueFd> LockDirectory(const std::string& directory);

// Makes a private directory (0700), unless it is there. An error also for what is no directory.
absl::Status MakeDirectory(const std::string& path);

}  // namespace nacre::keeper
