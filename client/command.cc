#include "client/command.h"

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace nacre::client {
namespace {

absl::Status SetProgram(const Command& command, v1::Command* wire) {
  if (command.argv.empty() == command.shell_line.empty()) {
    return absl::InvalidArgumentError("command: exactly one of argv and shell_line must be set");
  }
  if (!command.shell_line.empty()) {
    if (!IsUtf8(command.shell_line)) {
      return absl::InvalidArgumentError("command.shell_line: is not UTF-8");
    }
    wire->mutable_shell_line()->set_line(command.shell_line);
    return absl::OkStatus();
  }
  const bool text = std::all_of(command.argv.begin(), command.argv.end(), IsUtf8);
  for (const std::string& argument : command.argv) {
    if (text) {
      wire->add_argv(argument);
    } else {
      wire->add_argv_bytes(argument);
    }
  }
  return absl::OkStatus();
}

void SetEnvironment(const Command& command, v1::Command* wire) {
  for (const auto& [name, value] : command.env) {
    if (IsUtf8(name) && IsUtf8(value)) {
      (*wire->mutable_env())[name] = value;
    } else {
      v1::EnvironmentVariable* variable = wire->add_env_bytes();
      variable->set_name(name);
      variable->set_value(value);
    }
  }
}

google::protobuf::Duration ToWire(absl::Duration duration) {
  google::protobuf::Duration wire;
  wire.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  wire.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return wire;
}

void SetPolicies(const Command& command, v1::StartPolicies* wire) {
  if (command.on_disconnect == OnDisconnect::kKill) {
    wire->set_on_disconnect(v1::ON_DISCONNECT_KILL);
  }
  v1::KillLadder* ladder = wire->mutable_kill_ladder();
  ladder->set_first_signal(static_cast<uint32_t>(command.ladder.first_signal));
  *ladder->mutable_grace() = ToWire(command.ladder.grace);
  ladder->set_last_signal(static_cast<uint32_t>(command.ladder.last_signal));
}

// Length of the well-formed sequence at the start of `text`, 0 if there is none. RFC 3629: no
// overlong forms, no surrogates, nothing beyond U+10FFFF.
size_t SequenceLength(std::string_view text) {
  const auto byte = [text](size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const auto continues = [byte](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  const unsigned second_min = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned second_max = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < second_min || byte(1) > second_max || !continues(2)) return 0;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  return lead >= 0xF0 && lead <= 0xF4 && continues(3) ? 4 : 0;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

absl::StatusOr<v1::Start> ToStart(const Command& command) {
  v1::Start start;
  v1::Command* wire = start.mutable_command();
  if (absl::Status status = SetProgram(command, wire); !status.ok()) return status;
  SetEnvironment(command, wire);
  if (IsUtf8(command.cwd)) {
    wire->set_cwd(command.cwd);
  } else {
    wire->set_cwd_bytes(command.cwd);
  }
  if (command.input) wire->set_input(v1::INPUT_MODE_STREAM);
  if (command.merge_stderr) wire->set_stderr_mode(v1::STDERR_MODE_MERGED);
  if (command.timeout != absl::InfiniteDuration()) {
    *wire->mutable_timeout() = ToWire(command.timeout);
  }
  SetPolicies(command, start.mutable_policies());
  return start;
}

}  // namespace nacre::client
