#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "executor/command_spec.h"
#include "executor/identity.h"

namespace nacre {

// Decides which identity may do what. Thread-safe.
class Policy {
 public:
  virtual ~Policy() = default;
  // OK, or PERMISSION_DENIED/POLICY_DENIED with the rule's name and the remedy.
  virtual absl::Status CheckStart(const Identity& identity, const CommandSpec& spec) const = 0;
};

// The policy of a node without a policy file: the user who runs the daemon, and root; anonymous
// callers only where plaintext loopback was asked for.
class OwnerPolicy : public Policy {
 public:
  OwnerPolicy(uint32_t owner_uid, bool allow_anonymous)
      : owner_uid_(owner_uid), allow_anonymous_(allow_anonymous) {}
  absl::Status CheckStart(const Identity& identity, const CommandSpec& spec) const override;

 private:
  const uint32_t owner_uid_;
  const bool allow_anonymous_;
};

}  // namespace nacre
