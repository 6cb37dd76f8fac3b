// Sessions, nodes and files for programs.
#ifndef NACRE_CLIENT_CLI_JSON_H_
#define NACRE_CLIENT_CLI_JSON_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "nacre/client.h"
#include "nacre/files.h"

namespace nacre::cli {

// An object with the fields of nacre.v1.Session under their names: times in RFC 3339, durations in
// seconds, checksums in hexadecimal. What is not known is left out.
std::string ToJson(const client::SessionInfo& session);

// An array of them.
std::string ToJson(const std::vector<client::SessionInfo>& sessions);

// Likewise, an object with the fields of nacre.v1.Node.
std::string ToJson(const client::NodeInfo& node);

// Likewise, an object with the fields of nacre.v1.File; bytes that are not UTF-8 in base64.
std::string ToJson(const client::FileInfo& file);

// An event with the time it came: its kind as in nacre.v1.FileEventKind, in lower case, or
// "watching" or "overflow".
std::string ToJson(const client::WatchEvent& event, absl::Time time);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_JSON_H_
