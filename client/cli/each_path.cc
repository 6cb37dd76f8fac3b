#include "client/cli/each_path.h"

#include "client/cli/exit_status.h"
#include "client/cli/remote_path.h"
#include "client/cli/report.h"

namespace nacre::cli {

int ForEachPath(std::string_view verb, const CommonArguments& common, const std::string& run_as,
                const std::vector<std::string>& words, const ActOnPath& act) {
  const auto paths = RemotePaths(words, 1);
  if (!paths.ok()) return ReportUsage(verb, paths.status());
  const auto client = client::Client::Connect({.target = common.host});
  if (!client.ok()) {
    Report(client.status());
    return kExitFailure;
  }
  const client::Files files(**client, {.run_as = run_as});
  int exit_status = 0;
  for (const std::string& path : *paths) {
    const absl::Status status = act(files, path);
    if (status.ok()) continue;
    Report(Explain(path, status));
    exit_status = kExitFailure;
    if (absl::IsUnavailable(status)) break;
  }
  return exit_status;
}

}  // namespace nacre::cli
