#include "server/translate.h"

#include <google/protobuf/util/time_util.h>
#include <signal.h>
#include <string.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "executor/errors.h"

namespace nacre {
namespace {

using google::protobuf::util::TimeUtil;

// Closed enums are checked here: proto3 keeps any number that a client sends.
template <typename Enum>
absl::Status CheckEnum(Enum value, bool (*is_valid)(int), const char* field) {
  if (is_valid(value)) return absl::OkStatus();
  return InvalidField(field,
                      absl::StrFormat("%d is no value of this enum", static_cast<int>(value)));
}

absl::Status CheckKillScope(v1::KillScope scope, const char* field) {
  return CheckEnum(scope, v1::KillScope_IsValid, field);
}

absl::Status ToArgv(const v1::Command& command, CommandParts* parts) {
  const int given = (command.argv().empty() ? 0 : 1) + (command.argv_bytes().empty() ? 0 : 1) +
                    (command.has_shell_line() ? 1 : 0);
  if (given != 1) {
    return InvalidField("command.argv",
                        given == 0 ? "one of argv, argv_bytes and shell_line must be set"
                                   : "only one of argv, argv_bytes, shell_line may be set");
  }
  if (command.has_shell_line()) {
    const v1::ShellLine& line = command.shell_line();
    parts->user_shell = line.login_shell();
    if (line.line().empty()) {
      return parts->user_shell ? absl::OkStatus() : InvalidField("command.shell_line", "is empty");
    }
    if (!parts->user_shell) parts->argv = {"/bin/sh", "-c"};
    parts->argv.push_back(line.line());
    return absl::OkStatus();
  }
  parts->argv.assign(command.argv().begin(), command.argv().end());
  parts->argv.insert(parts->argv.end(), command.argv_bytes().begin(), command.argv_bytes().end());
  return absl::OkStatus();
}

absl::Status ToLimits(const v1::Limits& wire, CommandLimits* limits) {
  if (wire.has_cpu_time()) {
    auto cpu = ToNs(wire.cpu_time(), "command.limits.cpu_time");
    if (!cpu.ok()) return cpu.status();
    if (*cpu == 0) return InvalidField("command.limits.cpu_time", "is less than 10 ms");
    limits->cpu_ns = *cpu;
  }
  limits->memory_bytes = wire.memory_bytes();
  limits->processes = wire.processes();
  limits->open_files = wire.open_files();
  limits->nice = wire.nice();
  limits->output_bytes = wire.output_bytes();
  return absl::OkStatus();
}

absl::Status ToParts(const v1::Command& command, CommandParts* parts) {
  if (absl::Status status = ToArgv(command, parts); !status.ok()) return status;
  for (const auto& [name, value] : command.env()) parts->env.emplace_back(name, value);
  for (const auto& variable : command.env_bytes()) {
    parts->env.emplace_back(variable.name(), variable.value());
  }
  if (!command.cwd().empty() && !command.cwd_bytes().empty()) {
    return InvalidField("command.cwd", "only one of cwd and cwd_bytes may be set");
  }
  parts->cwd = command.cwd().empty() ? command.cwd_bytes() : command.cwd();
  parts->run_as = command.run_as_user();
  if (command.has_umask()) parts->umask = command.umask();
  absl::Status status = ToLimits(command.limits(), &parts->limits);
  status.Update(CheckEnum(command.input(), v1::InputMode_IsValid, "command.input"));
  status.Update(CheckEnum(command.stderr_mode(), v1::StderrMode_IsValid, "command.stderr_mode"));
  if (!status.ok()) return status;
  parts->input = command.input() == v1::INPUT_MODE_STREAM;
  parts->merge_stderr = command.stderr_mode() == v1::STDERR_MODE_MERGED;
  if (command.has_terminal()) {
    const v1::Terminal& terminal = command.terminal();
    parts->terminal = TerminalSpec{
        .term = terminal.term(), .rows = terminal.rows(), .columns = terminal.columns()};
  }
  if (command.has_timeout()) {
    auto timeout = ToNs(command.timeout(), "command.timeout");
    if (!timeout.ok()) return timeout.status();
    if (*timeout == 0) return InvalidField("command.timeout", "is less than 1 ms");
    parts->timeout_ns = *timeout;
  }
  return absl::OkStatus();
}

absl::Status ToLadder(const v1::KillLadder& wire, KillLadder* ladder) {
  if (wire.first_signal() != 0) ladder->first_signal = wire.first_signal();
  if (wire.last_signal() != 0) ladder->last_signal = wire.last_signal();
  if (!wire.has_grace()) return absl::OkStatus();
  auto grace = ToNs(wire.grace(), "policies.kill_ladder.grace");
  if (grace.ok()) ladder->grace_ns = *grace;
  return grace.status();
}

absl::Status ToDisconnect(const v1::StartPolicies& policies, v1::OnDisconnect unspecified,
                          DisconnectPolicy* policy) {
  const v1::OnDisconnect choice = policies.on_disconnect() == v1::ON_DISCONNECT_UNSPECIFIED
                                      ? unspecified
                                      : policies.on_disconnect();
  if (choice == v1::ON_DISCONNECT_KILL) {
    policy->grace_ns = 0;
    return absl::OkStatus();
  }
  policy->keep = choice == v1::ON_DISCONNECT_KEEP;
  if (absl::Status status = CheckEnum(choice, v1::OnDisconnect_IsValid, "policies.on_disconnect");
      !status.ok()) {
    return status;
  }
  if (!policies.has_disconnect_grace()) return absl::OkStatus();
  auto grace = ToNs(policies.disconnect_grace(), "policies.disconnect_grace");
  if (grace.ok()) policy->grace_ns = *grace;
  return grace.status();
}

absl::Status ToPolicies(const v1::StartPolicies& policies, v1::OnDisconnect unspecified,
                        CommandParts* parts) {
  absl::Status status = ToDisconnect(policies, unspecified, &parts->on_disconnect);
  status.Update(ToLadder(policies.kill_ladder(), &parts->ladder));
  status.Update(CheckKillScope(policies.kill_scope(), "policies.kill_scope"));
  status.Update(
      CheckEnum(policies.on_leader_exit(), v1::OnLeaderExit_IsValid, "policies.on_leader_exit"));
  status.Update(CheckEnum(policies.overflow(), v1::OverflowPolicy_IsValid, "policies.overflow"));
  if (!status.ok()) return status;
  parts->kill_scope = ToKillScope(policies.kill_scope());
  parts->wait_for_eof = policies.on_leader_exit() == v1::ON_LEADER_EXIT_WAIT_FOR_EOF;
  parts->retention.block_on_overflow = policies.overflow() == v1::OVERFLOW_POLICY_BLOCK;
  parts->retention.bytes = policies.retention_bytes();
  if (!policies.has_retention()) return absl::OkStatus();
  auto retention = ToNs(policies.retention(), "policies.retention");
  if (retention.ok()) parts->retention.after_end_ns = *retention;
  return retention.status();
}

}  // namespace

absl::StatusOr<int64_t> ToNs(const google::protobuf::Duration& duration, const char* field) {
  // Twenty years fit with room to spare, and what is beyond is a mistake.
  constexpr int64_t kMaxSeconds = 20LL * 366 * 86400;
  if (duration.seconds() < 0 || duration.seconds() > kMaxSeconds || duration.nanos() < 0 ||
      duration.nanos() > 999'999'999) {
    return InvalidField(field, "is no duration from 0 to 20 years");
  }
  return duration.seconds() * 1'000'000'000 + duration.nanos();
}

KillScope ToKillScope(v1::KillScope scope) {
  return scope == v1::KILL_SCOPE_UNSPECIFIED ? KillScope::kSession : static_cast<KillScope>(scope);
}

absl::Status CheckSignal(const v1::Signal& signal) {
  if (signal.number() < 1 || signal.number() > 64) {
    return InvalidField("signal.number", "is not between 1 and 64");
  }
  return CheckKillScope(signal.scope(), "signal.scope");
}

absl::Status CheckResize(const Session& session, const v1::Resize& resize) {
  if (!session.has_terminal()) return InvalidField("resize", "the command has no terminal");
  absl::Status status = CheckCells(resize.rows(), "resize.rows");
  status.Update(CheckCells(resize.columns(), "resize.columns"));
  return status;
}

absl::StatusOr<CommandSpec> ToCommandSpec(const v1::Start& start,
                                          v1::OnDisconnect default_on_disconnect) {
  if (!start.has_command()) return InvalidField("start.command", "is required");
  CommandParts parts;
  if (absl::Status status = ToParts(start.command(), &parts); !status.ok()) return status;
  if (absl::Status status = ToPolicies(start.policies(), default_on_disconnect, &parts);
      !status.ok()) {
    return status;
  }
  parts.tags = {start.tags().begin(), start.tags().end()};
  parts.request_id = start.request_id();
  return CommandSpec::Create(std::move(parts));
}

v1::OutputStream ToOutputStream(uint32_t stream) {
  return stream == kStdout ? v1::OUTPUT_STREAM_STDOUT : v1::OUTPUT_STREAM_STDERR;
}

v1::Session ToSession(const Session& session) {
  v1::Session wire;
  wire.set_id(session.id());
  *wire.mutable_start_time() = TimeUtil::NanosecondsToTimestamp(session.start_unix_ns());
  wire.set_owner(session.owner().name);
  wire.set_state(ToState(session));
  wire.set_has_terminal(session.has_terminal());
  return wire;
}

v1::SessionState ToState(const Session& session) {
  if (session.termination().has_value()) return v1::SESSION_STATE_ENDED;
  return session.running() ? v1::SESSION_STATE_RUNNING : v1::SESSION_STATE_STARTING;
}

v1::Session ToFullSession(const Session& session, int64_t expires_in_ns) {
  v1::Session wire = ToSession(session);
  const SessionRecord& record = session.record();
  wire.set_command_line(record.command_line);
  for (const auto& [name, value] : record.tags) (*wire.mutable_tags())[name] = value;
  wire.set_request_id(record.request_id);
  wire.set_run_as_user(record.user);
  wire.set_end_position(session.end_position());
  wire.set_kept_position(session.kept_position());
  wire.set_driven(session.driven());
  if (session.termination().has_value()) {
    *wire.mutable_termination() = ToTermination(*session.termination());
    *wire.mutable_expire_time() = TimeUtil::NanosecondsToTimestamp(WallNs() + expires_in_ns);
  }
  return wire;
}

namespace {

v1::Cause ToCause(keeper::v1::EndCause cause) {
  switch (cause) {
    case keeper::v1::END_CAUSE_EXITED:
      return v1::CAUSE_EXITED;
    case keeper::v1::END_CAUSE_SIGNALED:
      return v1::CAUSE_SIGNALED;
    case keeper::v1::END_CAUSE_TIMED_OUT:
      return v1::CAUSE_TIMED_OUT;
    case keeper::v1::END_CAUSE_CANCELLED:
    case keeper::v1::END_CAUSE_SHUTDOWN:
      return v1::CAUSE_CANCELLED;
    case keeper::v1::END_CAUSE_OUT_OF_MEMORY:
      return v1::CAUSE_OUT_OF_MEMORY;
    case keeper::v1::END_CAUSE_CPU_LIMIT:
      return v1::CAUSE_CPU_LIMIT;
    case keeper::v1::END_CAUSE_OUTPUT_LIMIT:
      return v1::CAUSE_OUTPUT_LIMIT;
    case keeper::v1::END_CAUSE_DISCONNECTED:
      return v1::CAUSE_DISCONNECTED;
    default:
      return v1::CAUSE_NODE_LOST;
  }
}

// As kill(1) and we ourselves take it.
std::string RealTimeName(uint32_t number) {
  const auto least = static_cast<uint32_t>(SIGRTMIN);
  if (number < least) return absl::StrCat("SIG", number);
  return number == least ? "SIGRTMIN" : absl::StrCat("SIGRTMIN+", number - least);
}

}  // namespace

v1::Termination ToTermination(const Termination& from) {
  v1::Termination to;
  if (from.signal() != 0) {
    v1::SignalDeath* death = to.mutable_signal();
    death->set_number(from.signal());
    const char* name = sigabbrev_np(static_cast<int>(from.signal()));
    death->set_name(name != nullptr ? absl::StrCat("SIG", name) : RealTimeName(from.signal()));
    death->set_core_dumped(from.core_dumped());
  } else {
    to.set_exit_code(from.exit_code());
  }
  to.set_cause(ToCause(from.cause()));
  to.set_cancelled_by(from.cause() == keeper::v1::END_CAUSE_SHUTDOWN ? "node shutdown" : from.by());
  *to.mutable_start_time() =
      TimeUtil::NanosecondsToTimestamp(static_cast<int64_t>(from.start_unix_ns()));
  *to.mutable_end_time() =
      TimeUtil::NanosecondsToTimestamp(static_cast<int64_t>(from.end_unix_ns()));
  *to.mutable_run_time() = TimeUtil::NanosecondsToDuration(static_cast<int64_t>(from.run_ns()));
  *to.mutable_usage()->mutable_user_time() =
      TimeUtil::NanosecondsToDuration(static_cast<int64_t>(from.user_ns()));
  *to.mutable_usage()->mutable_system_time() =
      TimeUtil::NanosecondsToDuration(static_cast<int64_t>(from.system_ns()));
  to.mutable_usage()->set_max_rss_bytes(from.max_rss_bytes());
  for (int i = 0; i < from.streams_size(); ++i) {
    v1::StreamSummary* summary = to.add_streams();
    summary->set_stream(ToOutputStream(static_cast<uint32_t>(i)));
    summary->set_bytes(from.streams(i).bytes());
    summary->set_xxh3_128(from.streams(i).xxh3_128());
  }
  to.set_output_complete(from.output_complete());
  to.set_output_held_open(from.output_held_open());
  return to;
}

}  // namespace nacre
