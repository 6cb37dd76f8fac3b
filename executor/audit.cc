#include "executor/audit.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "executor/errors.h"
#include "executor/redact.h"

namespace nacre::audit {
namespace {

using nlohmann::ordered_json;

// The keeper takes lines of up to 16 KiB; long commands are cut, and say so.
constexpr size_t kMaxArguments = 64;
constexpr size_t kMaxArgument = 512;
constexpr size_t kMaxLine = 15 * 1024;
// Of paths, so that they fit a line in hexadecimal.
constexpr size_t kMaxPath = 4096, kMaxPathOfTwo = 2000, kMaxRoot = 1000;

std::string Cut(const std::string& text) {
  if (text.size() <= kMaxArgument) return text;
  return text.substr(0, kMaxArgument) + "…(" + std::to_string(text.size()) + " bytes)";
}

// Adds the command to a line, with at most so many of its arguments and names.
void Describe(const CommandSpec& spec, size_t max_arguments, ordered_json* line) {
  ordered_json argv = ordered_json::array();
  for (const std::string& argument : RedactSecrets(spec.argv())) {
    if (argv.size() == max_arguments) {
      argv.push_back("…(" + std::to_string(spec.argv().size()) + " arguments)");
      break;
    }
    argv.push_back(Cut(argument));
  }
  ordered_json names = ordered_json::array();
  for (const auto& [name, value] : spec.env()) {
    if (names.size() == max_arguments) break;
    names.push_back(Cut(name));
  }
  (*line)["argv"] = std::move(argv);
  (*line)["cwd"] = Cut(spec.cwd());
  (*line)["env_names"] = std::move(names);
}

void AddCaller(const Identity& identity, ordered_json* line) {
  (*line)["identity"] = identity.name;
  if (!identity.dialect.empty()) (*line)["dialect"] = identity.dialect;
}

// ASCII only, so that control characters and broken UTF-8 can't reach whoever reads the file.
std::string Dump(const ordered_json& object) {
  return object.dump(-1, ' ', true, ordered_json::error_handler_t::replace);
}

std::string WithCommand(ordered_json line, const CommandSpec& spec) {
  for (size_t arguments = kMaxArguments;; arguments /= 4) {
    Describe(spec, arguments, &line);
    std::string text = Dump(line);
    if (text.size() <= kMaxLine || arguments == 0) return text;
  }
}

// A path is any bytes: in hexadecimal where JSON can't hold them, or only at length.
void AddBytes(const std::string& name, const std::string& bytes, ordered_json* line) {
  std::string text;
  try {
    text = ordered_json(bytes).dump(-1, ' ', true);
  } catch (const ordered_json::type_error&) {
    // not UTF-8
  }
  if (!text.empty() && text.size() <= 2 * bytes.size() + 2) {
    (*line)[name] = bytes;
  } else {
    (*line)[name + "_hex"] = absl::BytesToHexString(bytes);
  }
}

// Of a path that is too long both ends, as the last one says what it is about.
void AddPath(const std::string& name, const std::string& path, size_t max, ordered_json* line) {
  if (path.empty()) return;
  if (path.size() <= max) {
    AddBytes(name, path, line);
    return;
  }
  AddBytes(name, path.substr(0, max / 2), line);
  AddBytes(name + "_tail", path.substr(path.size() - max / 2), line);
  (*line)[name + "_bytes"] = path.size();
}

void AddPaths(const FileRequest& request, ordered_json* line) {
  const auto paths = PathsOf(request);
  if (paths.empty()) return;
  const size_t max = paths.size() == 1 ? kMaxPath : kMaxPathOfTwo;
  AddPath("path", paths[0].path(), max, line);
  AddPath("root", paths[0].root(), kMaxRoot, line);
  if (paths.size() > 1) {
    AddPath("to", paths[1].path(), max, line);
    AddPath("to_root", paths[1].root(), kMaxRoot, line);
  }
}

void AddMode(uint32_t mode, ordered_json* line) { (*line)["mode"] = absl::StrFormat("%04o", mode); }

// What else tells what is done.
void AddOperation(const FileRequest& request, ordered_json* line) {
  const files::v1::Request& operation = request.operation;
  if (request.mode.has_value()) AddMode(*request.mode, line);
  if (operation.has_make_directory()) AddMode(operation.make_directory().mode(), line);
  if (operation.set_attributes().has_mode()) AddMode(operation.set_attributes().mode(), line);
  if (operation.has_make_symlink()) {
    AddPath("target", operation.make_symlink().target(), kMaxPathOfTwo, line);
  }
  if (operation.remove().recursive()) (*line)["recursive"] = true;
  if (!operation.open_write().resume_id().empty()) {
    (*line)["resume_id"] = operation.open_write().resume_id();
  }
}

}  // namespace

std::string StartLine(const Identity& identity, const std::string& session_id,
                      const CommandSpec& spec, const std::string& user) {
  ordered_json line = {{"event", "start"}, {"session", session_id}};
  AddCaller(identity, &line);
  line["user"] = user;
  return WithCommand(std::move(line), spec);
}

std::string DeniedLine(const Identity& identity, const CommandSpec& spec,
                       const absl::Status& denial) {
  ordered_json line = {{"event", "denied"}};
  AddCaller(identity, &line);
  line["why"] = Cut(std::string(denial.message()));
  if (!spec.run_as().empty()) line["user"] = Cut(spec.run_as());
  return WithCommand(std::move(line), spec);
}

std::string UseLine(const Identity& identity, const std::string& session_id,
                    const std::string& verb, const std::string& how) {
  ordered_json line = {{"event", verb}, {"session", session_id}};
  AddCaller(identity, &line);
  if (!how.empty()) line["how"] = how;
  return Dump(line);
}

std::string FileLine(const Identity& identity, const std::string& id, const FileRequest& request,
                     const std::string& user) {
  ordered_json line = {{"event", ToString(request.verb)}, {"file", id}};
  AddCaller(identity, &line);
  line["user"] = user;
  AddPaths(request, &line);
  AddOperation(request, &line);
  return Dump(line);
}

std::string FileEndLine(const std::string& id, FileVerb verb, const absl::Status& status,
                        uint64_t bytes) {
  ordered_json line = {{"event", "file_end"}, {"file", id}, {"verb", ToString(verb)}};
  line["status"] = status.ok() ? "OK" : ErrorReason(status).value_or("FAILED");
  if (verb == FileVerb::kRead || verb == FileVerb::kWrite) line["bytes"] = bytes;
  return Dump(line);
}

std::string FileDeniedLine(const Identity& identity, const FileRequest& request,
                           const absl::Status& denial) {
  ordered_json line = {{"event", "denied"}, {"verb", ToString(request.verb)}};
  AddCaller(identity, &line);
  line["why"] = Cut(std::string(denial.message()));
  if (!request.run_as.empty()) line["user"] = Cut(request.run_as);
  AddPaths(request, &line);
  return Dump(line);
}

std::string AdminLine(const Identity& identity, const std::string& verb) {
  ordered_json line = {{"event", verb}};
  AddCaller(identity, &line);
  return Dump(line);
}

std::string AdminDeniedLine(const Identity& identity, const std::string& verb,
                            const absl::Status& denial) {
  ordered_json line = {{"event", "denied"}, {"verb", verb}};
  AddCaller(identity, &line);
  line["why"] = Cut(std::string(denial.message()));
  return Dump(line);
}

std::string RefusedLine(const Identity& identity, const std::string& why) {
  ordered_json line = {{"event", "refused"}};
  AddCaller(identity, &line);
  line["why"] = Cut(why);
  return Dump(line);
}

}  // namespace nacre::audit
