// Sessions and nodes for programs.
#ifndef NACRE_CLIENT_CLI_JSON_H_
#define NACRE_CLIENT_CLI_JSON_H_

#include <string>
#include <vector>

#include "nacre/client.h"

namespace nacre::cli {

// An object with the fields of nacre.v1.Session under their names: times in RFC 3339, durations in
// seconds, checksums in hexadecimal. What is not known is left out.
std::string ToJson(const client::SessionInfo& session);

// An array of them.
std::string ToJson(const std::vector<client::SessionInfo>& sessions);

// Likewise, an object with the fields of nacre.v1.Node.
std::string ToJson(const client::NodeInfo& node);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_JSON_H_
