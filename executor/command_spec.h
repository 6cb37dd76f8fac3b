#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ring_layout.h"
#include "nacre/keeper/v1/keeper.pb.h"

namespace nacre {

// What happens to the command when its driver is lost.
struct DisconnectPolicy {
  // How long the session waits for a driver to come back, its output held.
  int64_t grace_ns = 30'000'000'000;
  // After that it runs on; else the kill ladder starts.
  bool keep = false;
};

// What is kept for those who come later.
struct RetentionPolicy {
  // Time from the end until the session is forgotten; 0: at once.
  int64_t after_end_ns = 600'000'000'000;
  // Newest output kept of each stream.
  uint64_t bytes = kDefaultRingBytes;
  // While nobody drives, the command waits for room; else the newest output is kept.
  bool block_on_overflow = false;
};

// How a session is ended. 1 to 64 each; the grace at most one hour.
struct KillLadder {
  uint32_t first_signal = 15;
  int64_t grace_ns = 5'000'000'000;
  uint32_t last_signal = 9;
};

// Whom a kill reaches.
enum class KillScope { kSession = 1, kProcessGroup = 2, kLeader = 3 };

// Bounds on a command; 0: none.
struct CommandLimits {
  int64_t cpu_ns = 0;         // of all its processes together
  uint64_t memory_bytes = 0;  // likewise
  uint32_t processes = 0;     // and threads, at once
  uint32_t open_files = 0;    // of one process
  int32_t nice = 0;           // 0 to 19
  uint64_t output_bytes = 0;  // of both streams together
};

// A terminal for a command.
struct TerminalSpec {
  std::string term;  // value of TERM; empty: not set
  // In character cells, at most 65,535; 0: not known.
  uint32_t rows = 0, columns = 0;
};

// The raw parts of a command, as a front end read them off its wire.
struct CommandParts {
  // Program and arguments; with `user_shell` one line for the user's own shell, or none: the shell
  // itself, as a login gives it.
  std::vector<std::string> argv;
  bool user_shell = false;
  std::vector<std::pair<std::string, std::string>> env;
  std::string cwd;     // empty: the default
  std::string run_as;  // empty: the caller's own, see Policy
  uint32_t umask = 022;
  bool input = false;
  bool merge_stderr = false;  // with a terminal it always is
  std::optional<TerminalSpec> terminal;
  int64_t timeout_ns = 0;  // 0: none
  CommandLimits limits;
  bool wait_for_eof = false;
  DisconnectPolicy on_disconnect;
  KillScope kill_scope = KillScope::kSession;
  KillLadder ladder;
  RetentionPolicy retention;
  // Labels to find the session by.
  std::map<std::string, std::string> tags;
  // Two starts of one identity under one id are one start; empty: none.
  std::string request_id;
};

// INVALID_ARGUMENT, naming the field: no terminal has so many rows or columns.
absl::Status CheckCells(uint32_t cells, const char* field);

// A command that has been checked once and can't be wrong. Immutable value.
class CommandSpec {
 public:
  // Longest single string, with its NUL: Linux's MAX_ARG_STRLEN.
  static constexpr size_t kMaxString = 128 * 1024;
  // All strings of argv and env together.
  static constexpr size_t kMaxTotal = 1024 * 1024;

  // INVALID_ARGUMENT names the field.
  static absl::StatusOr<CommandSpec> Create(CommandParts parts);

  const std::vector<std::string>& argv() const { return parts_.argv; }
  const std::string& cwd() const { return parts_.cwd; }
  const std::vector<std::pair<std::string, std::string>>& env() const { return parts_.env; }
  const std::string& run_as() const { return parts_.run_as; }
  bool input() const { return parts_.input; }
  bool has_terminal() const { return parts_.terminal.has_value(); }
  const DisconnectPolicy& on_disconnect() const { return parts_.on_disconnect; }
  const RetentionPolicy& retention() const { return parts_.retention; }
  const std::map<std::string, std::string>& tags() const { return parts_.tags; }
  const std::string& request_id() const { return parts_.request_id; }
  // XXH3-128, canonical form, of everything but the request id: equal for equal starts.
  std::string Fingerprint() const;

  // The keeper's form of it, without audit and session record.
  keeper::v1::SpawnRecord ToRecord() const;

 private:
  explicit CommandSpec(CommandParts parts) : parts_(std::move(parts)) {}

  CommandParts parts_;
};

}  // namespace nacre
