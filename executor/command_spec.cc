#include "executor/command_spec.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "executor/errors.h"

namespace nacre {
namespace {

constexpr int64_t kMaxGraceNs = 3600LL * 1'000'000'000;
constexpr int64_t kMaxDisconnectGraceNs = 24 * kMaxGraceNs;

// Counts a string against the bounds on size and refuses NUL.
absl::Status CheckString(std::string_view field, const std::string& value, size_t* total) {
  if (value.find('\0') != std::string::npos) return InvalidField(field, "holds a NUL byte");
  if (value.size() >= CommandSpec::kMaxString) {
    return InvalidField(field, absl::StrFormat("is %d bytes long; at most %d fit", value.size(),
                                               CommandSpec::kMaxString - 1));
  }
  *total += value.size() + 1;
  if (*total > CommandSpec::kMaxTotal) {
    return InvalidField(
        field, absl::StrFormat("argv and env together exceed %d bytes", CommandSpec::kMaxTotal));
  }
  return absl::OkStatus();
}

absl::Status CheckEnvironment(const std::vector<std::pair<std::string, std::string>>& env,
                              size_t* total) {
  std::set<std::string_view> names;
  for (const auto& [name, value] : env) {
    const char* why = name.empty()                                   ? "a name is empty"
                      : name.find('=') != std::string::npos          ? "a name holds '='"
                      : !names.insert(std::string_view(name)).second ? "a name stands twice"
                                                                     : nullptr;
    if (why != nullptr) return InvalidField("command.env", why);
    // Name, '=', value: one string to the kernel.
    if (absl::Status status = CheckString("command.env", absl::StrCat(name, "=", value), total);
        !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status CheckPolicies(const CommandParts& parts) {
  if (parts.timeout_ns < 0 || (parts.timeout_ns > 0 && parts.timeout_ns < 1'000'000)) {
    return InvalidField("command.timeout", "is less than 1 ms");
  }
  if (parts.on_disconnect.grace_ns < 0 || parts.on_disconnect.grace_ns > kMaxDisconnectGraceNs) {
    return InvalidField("policies.disconnect_grace", "is not between 0 and 24 h");
  }
  if (parts.ladder.grace_ns < 0 || parts.ladder.grace_ns > kMaxGraceNs) {
    return InvalidField("policies.kill_ladder.grace", "is not between 0 and 1 h");
  }
  for (const uint32_t number : {parts.ladder.first_signal, parts.ladder.last_signal}) {
    if (number < 1 || number > 64) {
      return InvalidField("policies.kill_ladder", "a signal is not between 1 and 64");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CommandSpec> CommandSpec::Create(CommandParts parts) {
  if (parts.argv.empty()) return InvalidField("command.argv", "says nothing to run");
  const char* program_field = parts.user_shell ? "command.shell_line" : "command.argv";
  if (parts.argv[0].empty()) return InvalidField(program_field, "the program's name is empty");
  size_t total = 0;
  for (const std::string& argument : parts.argv) {
    if (absl::Status status = CheckString(program_field, argument, &total); !status.ok()) {
      return status;
    }
  }
  if (absl::Status status = CheckEnvironment(parts.env, &total); !status.ok()) return status;
  if (absl::Status status = CheckString("command.cwd", parts.cwd, &total); !status.ok()) {
    return status;
  }
  if (!parts.cwd.empty() && parts.cwd[0] != '/') {
    return InvalidField("command.cwd", "is not an absolute path");
  }
  if (absl::Status status = CheckPolicies(parts); !status.ok()) return status;
  return CommandSpec(std::move(parts));
}

keeper::v1::SpawnRecord CommandSpec::ToRecord() const {
  keeper::v1::SpawnRecord record;
  for (const std::string& argument : parts_.argv) record.add_argv(argument);
  for (const auto& [name, value] : parts_.env) record.add_env(absl::StrCat(name, "=", value));
  record.set_user_shell(parts_.user_shell);
  record.set_cwd(parts_.cwd);
  record.set_input(parts_.input);
  record.set_merge_stderr(parts_.merge_stderr);
  record.set_timeout_ns(static_cast<uint64_t>(parts_.timeout_ns));
  record.set_wait_for_eof(parts_.wait_for_eof);
  record.mutable_ladder()->set_first_signal(parts_.ladder.first_signal);
  record.mutable_ladder()->set_grace_ns(static_cast<uint64_t>(parts_.ladder.grace_ns));
  record.mutable_ladder()->set_last_signal(parts_.ladder.last_signal);
  return record;
}

}  // namespace nacre
