#include "executor/policy.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "executor/errors.h"

namespace nacre {
namespace {

absl::Status Denied(const std::string& message) {
  return MakeError(absl::StatusCode::kPermissionDenied, "POLICY_DENIED", message);
}

}  // namespace

bool OwnerPolicy::IsOperator(const Identity& identity) const {
  return identity.uid == daemon_.uid || identity.uid == 0;
}

bool OwnerPolicy::Admits(uint32_t uid) const {
  return uid == daemon_.uid || uid == 0 ||
         std::any_of(run_as_.begin(), run_as_.end(),
                     [uid](const NodeUser& user) { return user.uid == uid; });
}

absl::StatusOr<std::string> OwnerPolicy::CheckStart(const Identity& identity,
                                                    const CommandSpec& spec) const {
  return ChooseUser(identity, spec.run_as(), "start commands");
}

absl::StatusOr<std::string> OwnerPolicy::CheckFile(const Identity& identity,
                                                   const FileRequest& request) const {
  return ChooseUser(identity, request.run_as, "use files");
}

absl::StatusOr<std::string> OwnerPolicy::ChooseUser(const Identity& identity,
                                                    const std::string& run_as,
                                                    const char* what) const {
  const bool nameless = !identity.uid.has_value();
  if (nameless ? !insecure_loopback_ && identity.dialect.empty() : !Admits(*identity.uid)) {
    return Denied(absl::StrFormat(
        "%s may not %s: rule \"owner\" allows uid:%d, root and the users in the node's "
        "run_as only; call as one of those",
        identity.name, what, daemon_.uid));
  }
  const uint32_t own = nameless || IsOperator(identity) ? daemon_.uid : *identity.uid;
  const bool chooses = IsOperator(identity) && !run_as.empty();
  const auto user = std::find_if(run_as_.begin(), run_as_.end(), [&](const NodeUser& one) {
    return chooses ? one.name == run_as : one.uid == own;
  });
  if (user == run_as_.end()) {
    const std::string allowed = absl::StrJoin(
        run_as_, ", ", [](std::string* out, const NodeUser& one) { out->append(one.name); });
    return Denied(absl::StrFormat(
        "nothing may run as %s here: rule \"run_as\" allows %s; choose one of those, or have the "
        "node's operator add it",
        chooses ? absl::Utf8SafeCHexEscape(run_as) : daemon_.name,
        allowed.empty() ? "nobody" : allowed));
  }
  if (!run_as.empty() && run_as != user->name) {
    return Denied(
        absl::StrFormat("%s may %s as %s only: rule \"owner\"", identity.name, what, user->name));
  }
  return user->name;
}

absl::Status OwnerPolicy::CheckAdmin(const Identity& identity, const std::string& verb) const {
  if (IsOperator(identity)) return absl::OkStatus();
  return Denied(
      absl::StrFormat("%s may not %s the node: rule \"operator\" allows uid:%d and root only; call "
                      "as one of those, "
                      "by a Unix socket",
                      identity.name, verb, daemon_.uid));
}

bool OwnerPolicy::MayAccess(const Identity& identity, const Identity& owner) const {
  return identity.name == owner.name || IsOperator(identity);
}

}  // namespace nacre
