#include "client/cli/each_session.h"

#include "client/cli/exit_status.h"
#include "client/cli/report.h"

namespace nacre::cli {

int ForEachSession(const CommonArguments& common, const std::vector<std::string>& ids,
                   const std::function<absl::Status(client::Client&, const std::string&)>& act) {
  const auto client = client::Client::Connect({.target = common.host});
  if (!client.ok()) {
    Report(client.status());
    return kExitFailure;
  }
  int exit_status = 0;
  for (const std::string& id : ids) {
    const absl::Status status = act(**client, id);
    if (status.ok()) continue;
    Report(status);
    exit_status = kExitFailure;
  }
  return exit_status;
}

}  // namespace nacre::cli
