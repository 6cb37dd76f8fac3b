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
  // Whether `identity` may do with a session of `owner` what it may do with its own. Who may not,
  // does not learn that there is one.
  virtual bool MayAccess(const Identity& identity, const Identity& owner) const = 0;
};

// The policy of a node without a policy file: the user who runs the daemon, and root; anonymous
// callers only where the operator asked for what lets them in: plaintext loopback, or a dialect's
// listener.
class OwnerPolicy : public Policy {
 public:
  OwnerPolicy(uint32_t owner_uid, bool insecure_loopback)
      : owner_uid_(owner_uid), insecure_loopback_(insecure_loopback) {}
  absl::Status CheckStart(const Identity& identity, const CommandSpec& spec) const override;
  // One's own; and all, for the daemon's user and root.
  bool MayAccess(const Identity& identity, const Identity& owner) const override;

 private:
  const uint32_t owner_uid_;
  const bool insecure_loopback_;
};

}  // namespace nacre
