// Says why there is no connection, in words that help.
#ifndef NACRE_CLIENT_CONNECT_ERROR_H_
#define NACRE_CLIENT_CONNECT_ERROR_H_

#include <string>

#include "absl/status/status.h"
#include "client/target.h"

namespace nacre::client {

// The cause that a plain connect(2) to the target meets, e.g. "Permission denied"; empty when that
// connection holds. Waits at most a second or so.
std::string WhyNoConnection(const Target& target);

// UNAVAILABLE with that cause, or `otherwise` if there is none, e.g. "cannot connect to
// unix:/run/nacre/nacred.sock: Permission denied".
absl::Status ExplainNoConnection(const Target& target, const std::string& otherwise);

}  // namespace nacre::client

#endif  // NACRE_CLIENT_CONNECT_ERROR_H_
