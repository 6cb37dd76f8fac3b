#include "executor/session_record.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "executor/redact.h"
#include "nacre/internal/v1/session_record.pb.h"

namespace nacre {
namespace {

// The keeper takes 16 KiB, most of which tags may need; these are for messages only.
constexpr size_t kMaxName = 1024;
constexpr size_t kMaxCommandLine = 1024;
// What people read where the user's shell is all that was asked for.
constexpr char kLoginShell[] = "(login shell)";

bool NeedsNoQuotes(const std::string& word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) ||
           std::string_view("%+,-./:=@_^").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

// A word as a POSIX shell would have it; with escapes where it holds anything but printable ASCII.
std::string Quote(const std::string& word) {
  if (NeedsNoQuotes(word)) return word;
  const bool plain =
      std::all_of(word.begin(), word.end(), [](unsigned char c) { return absl::ascii_isprint(c); });
  std::string quoted = plain ? "'" : "$'";
  for (const unsigned char c : word) {
    if (plain && c == '\'') {
      quoted += "'\\''";
    } else if (!plain && c == '\n') {
      quoted += "\\n";
    } else if (!absl::ascii_isprint(c)) {
      absl::StrAppendFormat(&quoted, "\\x%02x", c);
    } else {
      if (!plain && (c == '\'' || c == '\\')) quoted += '\\';
      quoted += static_cast<char>(c);
    }
  }
  return quoted + '\'';
}

std::string CommandLine(const std::vector<std::string>& argv) {
  std::string line;
  for (const std::string& word : argv) {
    if (line.size() > kMaxCommandLine) break;
    if (!line.empty()) line += ' ';
    line += Quote(word.substr(0, kMaxCommandLine));
  }
  return line.substr(0, kMaxCommandLine);
}

}  // namespace

SessionRecord SessionRecord::Of(const Identity& owner, const CommandSpec& spec,
                                const std::string& user) {
  return {
      .owner = owner,
      .user = user,
      .program = spec.argv().empty() ? kLoginShell : spec.argv()[0].substr(0, kMaxName),
      .cwd = spec.cwd().substr(0, kMaxName),
      .takes_input = spec.input(),
      .has_terminal = spec.has_terminal(),
      .on_disconnect = spec.on_disconnect(),
      .block_on_overflow = spec.retention().block_on_overflow,
      .retention_ns = spec.retention().after_end_ns,
      .tags = spec.tags(),
      .request_id = spec.request_id(),
      .fingerprint = spec.request_id().empty() ? "" : spec.Fingerprint(),
      .command_line = spec.argv().empty() ? kLoginShell : CommandLine(RedactSecrets(spec.argv()))};
}

absl::StatusOr<SessionRecord> SessionRecord::Parse(const std::string& bytes) {
  internal::v1::SessionRecord record;
  if (!record.ParseFromString(bytes) || record.owner().empty()) {
    return absl::InvalidArgumentError("no session record");
  }
  SessionRecord parsed{
      .owner = {.name = record.owner(), .uid = {}, .dialect = record.dialect()},
      .user = record.user(),
      .program = record.program(),
      .cwd = record.cwd(),
      .takes_input = record.takes_input(),
      .has_terminal = record.has_terminal(),
      .on_disconnect = {.grace_ns = std::max<int64_t>(0, record.disconnect_grace_ns()),
                        .keep = record.keep_on_disconnect()},
      .block_on_overflow = record.block_on_overflow(),
      .retention_ns = std::max<int64_t>(0, record.retention_ns()),
      .tags = {record.tags().begin(), record.tags().end()},
      .request_id = record.request_id(),
      .fingerprint = record.fingerprint(),
      .command_line = record.command_line()};
  if (record.has_owner_uid()) parsed.owner.uid = record.owner_uid();
  return parsed;
}

std::string SessionRecord::Serialize() const {
  internal::v1::SessionRecord record;
  record.set_owner(owner.name);
  if (owner.uid.has_value()) record.set_owner_uid(*owner.uid);
  record.set_dialect(owner.dialect);
  record.set_user(user);
  record.set_program(program);
  record.set_cwd(cwd);
  record.set_takes_input(takes_input);
  record.set_has_terminal(has_terminal);
  record.set_disconnect_grace_ns(on_disconnect.grace_ns);
  record.set_keep_on_disconnect(on_disconnect.keep);
  record.set_block_on_overflow(block_on_overflow);
  record.set_retention_ns(retention_ns);
  for (const auto& [name, value] : tags) (*record.mutable_tags())[name] = value;
  record.set_request_id(request_id);
  record.set_fingerprint(fingerprint);
  record.set_command_line(command_line);
  return record.SerializeAsString();
}

}  // namespace nacre
