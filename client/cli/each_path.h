// Doing the same to several files of the node.
#ifndef NACRE_CLIENT_CLI_EACH_PATH_H_
#define NACRE_CLIENT_CLI_EACH_PATH_H_

#include <functional>
#include <string>
#include <vector>

#include "client/cli/verb.h"
#include "nacre/files.h"

namespace nacre::cli {

using ActOnPath = std::function<absl::Status(const client::Files&, const std::string& path)>;

// Does it to each of the words, which must be remote paths, in turn. Failures are reported and
// don't keep the others from their turn; they make the exit status, which is returned, 1. Wrong
// words are wrong usage of `verb`.
int ForEachPath(std::string_view verb, const CommonArguments& common, const std::string& run_as,
                const std::vector<std::string>& words, const ActOnPath& act);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_EACH_PATH_H_
