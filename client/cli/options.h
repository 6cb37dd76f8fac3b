// Options that several verbs have, and kinds of values that CLI11 doesn't know.
#ifndef NACRE_CLIENT_CLI_OPTIONS_H_
#define NACRE_CLIENT_CLI_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cli/verb.h"
#include "nacre/client.h"

namespace nacre::cli {

// -H
void AddHost(CLI::App* app, CommonArguments* common);

// -v, of which `help` tells what it says.
void AddVerbosity(CLI::App* app, CommonArguments* common, const std::string& help);

// The ID of one session, and those of at least one.
void AddSession(CLI::App* app, std::string* id);
void AddSessions(CLI::App* app, std::vector<std::string>* ids);

// -o json, which prints `what`.
void AddJson(CLI::App* app, bool* json, const std::string& what = "the session");

// A duration such as 500ms or 1.5m, at least `least`.
void AddDuration(CLI::App* app, const std::string& names, std::optional<absl::Duration>* value,
                 absl::Duration least, const std::string& help);

// A whole number, not negative.
void AddCount(CLI::App* app, const std::string& names, std::optional<uint64_t>* value,
              const std::string& type_name, const std::string& help);

// A number of bytes, with K or M for so many times 1024 or its square.
void AddSize(CLI::App* app, const std::string& names, uint64_t* value, const std::string& help);

// session, group or leader.
void AddScope(CLI::App* app, const std::string& names, client::KillScope* scope,
              const std::string& help);

// --no-resume, which leaves no time to resume in.
void AddResume(CLI::App* app, absl::Duration* resume_for);

// -u: with whose rights files are used.
void AddRunAs(CLI::App* app, std::string* run_as);

// What the usage line shows of the words of a verb that takes paths, e.g. "SRC... DST".
void ShowPathsInUsage(CLI::App* app, const std::string& paths);

// A mode in octal, at most 7777.
void AddMode(CLI::App* app, const std::string& names, std::optional<uint32_t>* mode,
             const std::string& help);

// --raw
void AddRaw(CLI::App* app, bool* raw);

// NAME=VALUE, any number of times.
void AddPairs(CLI::App* app, const std::string& names, std::map<std::string, std::string>* pairs,
              const std::string& type_name, const std::string& help);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_OPTIONS_H_
