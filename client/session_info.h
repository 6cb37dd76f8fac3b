// From the wire's Session to ours, and what is asked about sessions.
#ifndef NACRE_CLIENT_SESSION_INFO_H_
#define NACRE_CLIENT_SESSION_INFO_H_

#include <string>

#include "absl/status/statusor.h"
#include "nacre/client.h"
#include "nacre/v1/shell.pb.h"

namespace nacre::client {

SessionInfo FromWire(const v1::Session& wire);

// INVALID_ARGUMENT for what has no wire form, as below.
absl::StatusOr<v1::ListSessionsRequest> ToListRequest(const SessionFilter& filter,
                                                      const std::string& page_token);
absl::StatusOr<v1::Attach> ToAttach(const std::string& session_id, const AttachOptions& options);
absl::Status CheckSessionId(const std::string& session_id);

}  // namespace nacre::client

#endif  // NACRE_CLIENT_SESSION_INFO_H_
