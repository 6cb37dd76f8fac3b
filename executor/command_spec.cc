#include "executor/command_spec.h"

#include <xxhash.h>

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "executor/errors.h"

namespace nacre {
namespace {

constexpr int64_t kMaxGraceNs = 3600LL * 1'000'000'000;
constexpr int64_t kMaxDisconnectGraceNs = 24 * kMaxGraceNs;
constexpr int64_t kMaxRetentionNs = 7 * 24 * kMaxGraceNs;
constexpr uint64_t kMinMemory = 4 * 1024 * 1024;  // less than any program needs to start
constexpr size_t kMaxUser = 256;                  // LOGIN_NAME_MAX
constexpr size_t kMaxTags = 32;
constexpr size_t kMaxTagName = 63;
constexpr size_t kMaxTagValue = 255;
constexpr size_t kMaxRequestId = 128;
constexpr uint32_t kMinOpenFiles = 3;
constexpr uint64_t kPageBytes = 4096;
constexpr uint32_t kMaxUmask = 0777;

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
  if (parts.limits.cpu_ns < 0 || (parts.limits.cpu_ns > 0 && parts.limits.cpu_ns < 10'000'000)) {
    return InvalidField("command.limits.cpu_time", "is less than 10 ms");
  }
  if (parts.limits.memory_bytes > 0 && parts.limits.memory_bytes < kMinMemory) {
    return InvalidField("command.limits.memory_bytes", "is less than 4 MiB");
  }
  if (parts.limits.open_files > 0 && parts.limits.open_files < kMinOpenFiles) {
    return InvalidField("command.limits.open_files", "is less than its three standard streams");
  }
  if (parts.limits.nice < 0 || parts.limits.nice > 19) {
    return InvalidField("command.limits.nice", "is not between 0 and 19");
  }
  if (parts.retention.after_end_ns < 0 || parts.retention.after_end_ns > kMaxRetentionNs) {
    return InvalidField("policies.retention", "is not between 0 and 7 days");
  }
  if (parts.retention.bytes > kMaxRingBytes) {
    return InvalidField("policies.retention_bytes",
                        absl::StrFormat("exceeds %d bytes", kMaxRingBytes));
  }
  return absl::OkStatus();
}

absl::Status CheckTerminal(const TerminalSpec& terminal, size_t* total) {
  for (const uint32_t cells : {terminal.rows, terminal.columns}) {
    if (absl::Status status = CheckCells(cells, "command.terminal"); !status.ok()) return status;
  }
  return CheckString("command.terminal.term", terminal.term, total);
}

absl::Status CheckTags(const std::map<std::string, std::string>& tags) {
  if (tags.size() > kMaxTags) {
    return InvalidField("tags", absl::StrFormat("are more than %d", kMaxTags));
  }
  for (const auto& [name, value] : tags) {
    const bool named =
        !name.empty() && name.size() <= kMaxTagName &&
        std::all_of(name.begin(), name.end(), [](unsigned char c) {
          return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/';
        });
    if (!named) {
      return InvalidField("tags", "a name is not 1 to 63 letters, digits, '-', '_', '.' or '/'");
    }
    if (value.size() > kMaxTagValue) {
      return InvalidField("tags", absl::StrFormat("the value of \"%s\" exceeds 255 bytes", name));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRequestId(const std::string& id) {
  if (id.size() <= kMaxRequestId &&
      std::all_of(id.begin(), id.end(), [](unsigned char c) { return absl::ascii_isgraph(c); })) {
    return absl::OkStatus();
  }
  return InvalidField("request_id", "is not 1 to 128 printable ASCII characters without space");
}

}  // namespace

absl::Status CheckCells(uint32_t cells, const char* field) {
  if (cells <= UINT16_MAX) return absl::OkStatus();
  return InvalidField(field, "has more than 65,535 rows or columns");
}

absl::StatusOr<CommandSpec> CommandSpec::Create(CommandParts parts) {
  if (parts.argv.empty() && !parts.user_shell) {
    return InvalidField("command.argv", "says nothing to run");
  }
  const char* program_field = parts.user_shell ? "command.shell_line" : "command.argv";
  if (!parts.argv.empty() && parts.argv[0].empty())
    return InvalidField(program_field, "the program's name is empty");
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
  if (absl::Status status = CheckString("command.run_as_user", parts.run_as, &total);
      !status.ok()) {
    return status;
  }
  if (parts.run_as.size() > kMaxUser) {
    return InvalidField("command.run_as_user",
                        absl::StrFormat("is longer than %d bytes", kMaxUser));
  }
  if (!parts.cwd.empty() && parts.cwd[0] != '/') {
    return InvalidField("command.cwd", "is not an absolute path");
  }
  if (parts.umask > kMaxUmask) return InvalidField("command.umask", "is not between 0 and 0777");
  if (parts.terminal.has_value()) {
    if (absl::Status status = CheckTerminal(*parts.terminal, &total); !status.ok()) return status;
    parts.merge_stderr = true;
  }
  if (absl::Status status = CheckPolicies(parts); !status.ok()) return status;
  if (absl::Status status = CheckTags(parts.tags); !status.ok()) return status;
  if (absl::Status status = CheckRequestId(parts.request_id); !status.ok()) return status;
  // A ring of whole pages, never smaller than it must be to be fast.
  parts.retention.bytes = std::max<uint64_t>(
      kDefaultRingBytes, (parts.retention.bytes + kPageBytes - 1) / kPageBytes * kPageBytes);
  // In an order that a caller's map does not decide.
  std::sort(parts.env.begin(), parts.env.end());
  return CommandSpec(std::move(parts));
}

keeper::v1::SpawnRecord CommandSpec::ToRecord() const {
  keeper::v1::SpawnRecord record;
  for (const std::string& argument : parts_.argv) record.add_argv(argument);
  for (const auto& [name, value] : parts_.env) record.add_env(absl::StrCat(name, "=", value));
  record.set_user_shell(parts_.user_shell);
  record.set_cwd(parts_.cwd);
  record.set_umask(parts_.umask);
  record.set_input(parts_.input);
  record.set_merge_stderr(parts_.merge_stderr);
  record.set_timeout_ns(static_cast<uint64_t>(parts_.timeout_ns));
  record.set_wait_for_eof(parts_.wait_for_eof);
  record.mutable_ladder()->set_first_signal(parts_.ladder.first_signal);
  record.mutable_ladder()->set_grace_ns(static_cast<uint64_t>(parts_.ladder.grace_ns));
  record.mutable_ladder()->set_last_signal(parts_.ladder.last_signal);
  record.set_ring_bytes(parts_.retention.bytes);
  record.set_kill_scope(static_cast<keeper::v1::KillScope>(parts_.kill_scope));
  keeper::v1::Limits& limits = *record.mutable_limits();
  limits.set_cpu_ns(static_cast<uint64_t>(parts_.limits.cpu_ns));
  limits.set_memory_bytes(parts_.limits.memory_bytes);
  limits.set_processes(parts_.limits.processes);
  limits.set_open_files(parts_.limits.open_files);
  limits.set_nice(static_cast<uint32_t>(parts_.limits.nice));
  limits.set_output_bytes(parts_.limits.output_bytes);
  if (parts_.terminal.has_value()) {
    record.mutable_terminal()->set_term(parts_.terminal->term);
    record.mutable_terminal()->set_rows(parts_.terminal->rows);
    record.mutable_terminal()->set_columns(parts_.terminal->columns);
  }
  return record;
}

std::string CommandSpec::Fingerprint() const {
  std::string all =
      absl::StrCat(ToRecord().SerializeAsString(), ",", parts_.run_as.size(), ":", parts_.run_as,
                   ",", parts_.on_disconnect.grace_ns, ",", parts_.on_disconnect.keep, ",",
                   parts_.retention.after_end_ns, ",", parts_.retention.block_on_overflow);
  for (const auto& [name, value] : parts_.tags) {
    absl::StrAppend(&all, ",", name, "=", value.size(), ":", value);
  }
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(all.data(), all.size()));
  return std::string(reinterpret_cast<const char*>(canonical.digest), sizeof(canonical.digest));
}

}  // namespace nacre
