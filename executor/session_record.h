#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "executor/command_spec.h"
#include "executor/identity.h"

namespace nacre {

// What the executor knows of a session beside what the keeper knows. Constant; the keeper gives it
// to the next front.
struct SessionRecord {
  Identity owner;
  // For error messages.
  std::string program, cwd;
  bool takes_input = false;
  DisconnectPolicy on_disconnect;

  static SessionRecord Of(const Identity& owner, const CommandSpec& spec);
  // INVALID_ARGUMENT: these bytes are no record.
  static absl::StatusOr<SessionRecord> Parse(const std::string& bytes);
  std::string Serialize() const;
};

}  // namespace nacre
