#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "executor/command_spec.h"
#include "executor/identity.h"

namespace nacre {

// What the executor knows of a session beside what the keeper knows. Constant; the keeper gives it
// to the next front.
struct SessionRecord {
  Identity owner;
  // Name of the user that the command runs as.
  std::string user;
  // For error messages.
  std::string program, cwd;
  bool takes_input = false, has_terminal = false;
  DisconnectPolicy on_disconnect;
  bool block_on_overflow = false;
  int64_t retention_ns = 0;
  std::map<std::string, std::string> tags;
  std::string request_id;
  // CommandSpec::Fingerprint(), of a start with a request id.
  std::string fingerprint;
  // For people: quoted as for a shell, cut off, UTF-8.
  std::string command_line;

  static SessionRecord Of(const Identity& owner, const CommandSpec& spec, const std::string& user);
  // INVALID_ARGUMENT: these bytes are no record.
  static absl::StatusOr<SessionRecord> Parse(const std::string& bytes);
  std::string Serialize() const;
};

}  // namespace nacre
