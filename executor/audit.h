#pragma once

#include <string>

#include "absl/status/status.h"
#include "executor/command_spec.h"
#include "executor/file_request.h"
#include "executor/identity.h"

// What goes into the audit: JSON objects on one line each, which the keeper numbers and writes.
// Values of the environment and input never do, nor does what follows an option that names a secret
// ("--token=…", "--password …"); a secret in a shell line or under another name does.
namespace nacre::audit {

// The intent to start a command as `user`; written before the spawn.
std::string StartLine(const Identity& identity, const std::string& session_id,
                      const CommandSpec& spec, const std::string& user);

// A start that policy refused.
std::string DeniedLine(const Identity& identity, const CommandSpec& spec,
                       const absl::Status& denial);

// What somebody does with a session that exists, e.g. "attach", and how, e.g. "drive".
std::string UseLine(const Identity& identity, const std::string& session_id,
                    const std::string& verb, const std::string& how);

// The intent to do something with files as `user`; written before it is done. `id` tells it from
// others.
std::string FileLine(const Identity& identity, const std::string& id, const FileRequest& request,
                     const std::string& user);

// Its end. `bytes`: of content, that were read or written.
std::string FileEndLine(const std::string& id, FileVerb verb, const absl::Status& status,
                        uint64_t bytes);

// A request about files that policy refused.
std::string FileDeniedLine(const Identity& identity, const FileRequest& request,
                           const absl::Status& denial);

// The intent to do something to the node itself, e.g. "drain"; written before it is done.
std::string AdminLine(const Identity& identity, const std::string& verb);

// That policy refused to.
std::string AdminDeniedLine(const Identity& identity, const std::string& verb,
                            const absl::Status& denial);

// A request that was refused before it was a command: nothing of it is written but why.
std::string RefusedLine(const Identity& identity, const std::string& why);

}  // namespace nacre::audit
