// Paths on the node, as people write them.
#ifndef NACRE_CLIENT_CLI_REMOTE_PATH_H_
#define NACRE_CLIENT_CLI_REMOTE_PATH_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace nacre::cli {

// Whether the word names a file of the node: ":PATH", absolute or from the user's home, which ":"
// is. A file of ours whose name begins so is "./:NAME".
bool IsRemote(std::string_view word);

// The path in a remote word, as the node wants it: "." for ":".
std::string RemotePath(std::string_view word);

// Those of words that all have to be remote, and at least `least`. INVALID_ARGUMENT.
absl::StatusOr<std::vector<std::string>> RemotePaths(const std::vector<std::string>& words,
                                                     size_t least);

// The last part of a path, without slashes behind it: "", "." and ".." where it names none.
std::string BaseName(std::string_view path);

// A word as a shell takes it back.
std::string Quoted(std::string_view word);

// `name` in the directory `path`; without "." before it.
std::string Join(std::string_view path, std::string_view name);

// Whether a directory can have an entry of this name; what a node calls so may else lead anywhere.
bool IsEntryName(std::string_view name);

// An error about a path of the node, e.g. ":/dir/f: there is no such file".
std::string Explain(std::string_view path, const absl::Status& status);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_REMOTE_PATH_H_
