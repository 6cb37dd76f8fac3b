#include "executor/session_record.h"

#include <algorithm>

#include "nacre/internal/v1/session_record.pb.h"

namespace nacre {
namespace {

// The keeper takes 16 KiB; these two are for messages only.
constexpr size_t kMaxName = 4096;

}  // namespace

SessionRecord SessionRecord::Of(const Identity& owner, const CommandSpec& spec) {
  return {.owner = owner,
          .program = spec.argv()[0].substr(0, kMaxName),
          .cwd = spec.cwd().substr(0, kMaxName),
          .takes_input = spec.input(),
          .on_disconnect = spec.on_disconnect()};
}

absl::StatusOr<SessionRecord> SessionRecord::Parse(const std::string& bytes) {
  internal::v1::SessionRecord record;
  if (!record.ParseFromString(bytes) || record.owner().empty()) {
    return absl::InvalidArgumentError("no session record");
  }
  SessionRecord parsed{
      .owner = {.name = record.owner(), .uid = {}, .dialect = record.dialect()},
      .program = record.program(),
      .cwd = record.cwd(),
      .takes_input = record.takes_input(),
      .on_disconnect = {.grace_ns = std::max<int64_t>(0, record.disconnect_grace_ns())}};
  if (record.has_owner_uid()) parsed.owner.uid = record.owner_uid();
  return parsed;
}

std::string SessionRecord::Serialize() const {
  internal::v1::SessionRecord record;
  record.set_owner(owner.name);
  if (owner.uid.has_value()) record.set_owner_uid(*owner.uid);
  record.set_dialect(owner.dialect);
  record.set_program(program);
  record.set_cwd(cwd);
  record.set_takes_input(takes_input);
  record.set_disconnect_grace_ns(on_disconnect.grace_ns);
  return record.SerializeAsString();
}

}  // namespace nacre
