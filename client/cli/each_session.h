// Doing the same to several sessions.
#ifndef NACRE_CLIENT_CLI_EACH_SESSION_H_
#define NACRE_CLIENT_CLI_EACH_SESSION_H_

#include <functional>
#include <string>
#include <vector>

#include "client/cli/verb.h"
#include "nacre/client.h"

namespace nacre::cli {

// Does it to each in turn. Failures are reported and don't keep the others from their turn; they
// make the exit status, which is returned, 1.
int ForEachSession(const CommonArguments& common, const std::vector<std::string>& ids,
                   const std::function<absl::Status(client::Client&, const std::string&)>& act);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_EACH_SESSION_H_
