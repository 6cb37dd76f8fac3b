#include "executor/policy.h"

#include "absl/strings/str_format.h"
#include "executor/errors.h"

namespace nacre {

absl::Status OwnerPolicy::CheckStart(const Identity& identity, const CommandSpec& /*spec*/) const {
  const bool asked_for = insecure_loopback_ || !identity.dialect.empty();
  if (!identity.uid.has_value() && asked_for) return absl::OkStatus();
  if (identity.uid == owner_uid_ || identity.uid == 0) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kPermissionDenied, "POLICY_DENIED",
      absl::StrFormat("%s may not start commands: rule \"owner\" allows uid:%d and root only; "
                      "call as that user",
                      identity.name, owner_uid_));
}

bool OwnerPolicy::MayAccess(const Identity& identity, const Identity& owner) const {
  return identity.name == owner.name || identity.uid == owner_uid_ || identity.uid == 0;
}

}  // namespace nacre
