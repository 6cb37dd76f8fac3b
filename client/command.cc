#include "client/command.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"

namespace nacre::client {
namespace {

absl::Status SetProgram(const Command& command, v1::Command* wire) {
  const int given = (command.argv.empty() ? 0 : 1) + (command.shell_line.empty() ? 0 : 1) +
                    (command.login_shell ? 1 : 0);
  if (given != 1) {
    return absl::InvalidArgumentError(
        "command: exactly one of argv, shell_line and login_shell must be set");
  }
  if (command.login_shell) {
    wire->mutable_shell_line()->set_login_shell(true);
    return absl::OkStatus();
  }
  if (!command.shell_line.empty()) {
    if (IsUtf8(command.shell_line)) {
      wire->mutable_shell_line()->set_line(command.shell_line);
    } else {
      for (const std::string& word :
           {std::string("/bin/sh"), std::string("-c"), command.shell_line})
        wire->add_argv_bytes(word);
    }
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

void SetLimits(const Limits& limits, v1::Command* wire) {
  if (limits.cpu_time != absl::ZeroDuration()) {
    *wire->mutable_limits()->mutable_cpu_time() = ToWire(limits.cpu_time);
  }
  if (limits.memory_bytes > 0) wire->mutable_limits()->set_memory_bytes(limits.memory_bytes);
  if (limits.processes > 0) wire->mutable_limits()->set_processes(limits.processes);
  if (limits.open_files > 0) wire->mutable_limits()->set_open_files(limits.open_files);
  if (limits.nice != 0) wire->mutable_limits()->set_nice(limits.nice);
  if (limits.output_bytes > 0) wire->mutable_limits()->set_output_bytes(limits.output_bytes);
}

v1::OnDisconnect Translate(OnDisconnect policy) {
  switch (policy) {
    case OnDisconnect::kDefault:
      return v1::ON_DISCONNECT_UNSPECIFIED;
    case OnDisconnect::kKillAfterGrace:
      return v1::ON_DISCONNECT_KILL_AFTER_GRACE;
    case OnDisconnect::kKeep:
      return v1::ON_DISCONNECT_KEEP;
    case OnDisconnect::kKill:
      return v1::ON_DISCONNECT_KILL;
  }
  return v1::ON_DISCONNECT_UNSPECIFIED;
}

void SetPolicies(const Command& command, v1::StartPolicies* wire) {
  wire->set_on_disconnect(Translate(command.on_disconnect));
  if (command.disconnect_grace.has_value()) {
    *wire->mutable_disconnect_grace() = ToWire(*command.disconnect_grace);
  }
  if (command.kill_scope != KillScope::kSession) wire->set_kill_scope(ToWire(command.kill_scope));
  if (command.on_leader_exit == OnLeaderExit::kWaitForEof) {
    wire->set_on_leader_exit(v1::ON_LEADER_EXIT_WAIT_FOR_EOF);
  }
  v1::KillLadder* ladder = wire->mutable_kill_ladder();
  ladder->set_first_signal(static_cast<uint32_t>(command.ladder.first_signal));
  *ladder->mutable_grace() = ToWire(command.ladder.grace);
  ladder->set_last_signal(static_cast<uint32_t>(command.ladder.last_signal));
  if (command.overflow == Overflow::kBlock) wire->set_overflow(v1::OVERFLOW_POLICY_BLOCK);
  wire->set_retention_bytes(command.retention_bytes);
  if (command.retention.has_value()) *wire->mutable_retention() = ToWire(*command.retention);
}

absl::Status SetNames(const Command& command, v1::Start* wire) {
  for (const auto& [name, value] : command.tags) {
    if (!IsUtf8(name) || !IsUtf8(value)) return absl::InvalidArgumentError("tags: not UTF-8");
    (*wire->mutable_tags())[name] = value;
  }
  if (!IsUtf8(command.request_id)) return absl::InvalidArgumentError("request_id: is not UTF-8");
  wire->set_request_id(command.request_id);
  return absl::OkStatus();
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

v1::KillScope ToWire(KillScope scope) {
  switch (scope) {
    case KillScope::kSession:
      return v1::KILL_SCOPE_SESSION;
    case KillScope::kProcessGroup:
      return v1::KILL_SCOPE_PROCESS_GROUP;
    case KillScope::kLeader:
      return v1::KILL_SCOPE_LEADER;
  }
  return v1::KILL_SCOPE_UNSPECIFIED;
}

google::protobuf::Duration ToWire(absl::Duration duration) {
  google::protobuf::Duration wire;
  wire.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  wire.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return wire;
}

std::string NewRequestId() {
  uint64_t random[2];
  // So few bytes never fail.
  (void)!getentropy(random, sizeof random);
  return absl::StrFormat("%016x%016x", random[0], random[1]);
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
  if (command.umask.has_value()) wire->set_umask(*command.umask);
  if (command.input) wire->set_input(v1::INPUT_MODE_STREAM);
  if (command.merge_stderr) wire->set_stderr_mode(v1::STDERR_MODE_MERGED);
  if (command.terminal.has_value()) {
    if (!IsUtf8(command.terminal->term)) {
      return absl::InvalidArgumentError("command.terminal.term: is not UTF-8");
    }
    wire->mutable_terminal()->set_term(command.terminal->term);
    wire->mutable_terminal()->set_rows(command.terminal->rows);
    wire->mutable_terminal()->set_columns(command.terminal->columns);
  }
  if (command.timeout != absl::InfiniteDuration()) {
    *wire->mutable_timeout() = ToWire(command.timeout);
  }
  if (!IsUtf8(command.run_as_user)) {
    return absl::InvalidArgumentError("command.run_as_user: is not UTF-8");
  }
  wire->set_run_as_user(command.run_as_user);
  SetLimits(command.limits, wire);
  SetPolicies(command, start.mutable_policies());
  if (absl::Status status = SetNames(command, &start); !status.ok()) return status;
  return start;
}

}  // namespace nacre::client
