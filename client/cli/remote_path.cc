#include "client/cli/remote_path.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace nacre::cli {

bool IsRemote(std::string_view word) { return word.starts_with(':'); }

std::string RemotePath(std::string_view word) {
  word.remove_prefix(1);
  return std::string(word.empty() ? "." : word);
}

absl::StatusOr<std::vector<std::string>> RemotePaths(const std::vector<std::string>& words,
                                                     size_t least) {
  std::vector<std::string> paths;
  for (const std::string& word : words) {
    if (!IsRemote(word)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", word, "\" is not on the node: paths there are written :PATH"));
    }
    paths.push_back(RemotePath(word));
  }
  if (paths.size() < least) return absl::InvalidArgumentError("a path is missing");
  return paths;
}

std::string BaseName(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

std::string Quoted(std::string_view word) {
  const bool plain = std::all_of(word.begin(), word.end(), [](char byte) {
    return absl::ascii_isalnum(static_cast<unsigned char>(byte)) ||
           std::string_view("/.,:=@%+-_").find(byte) != std::string_view::npos;
  });
  if (plain && !word.empty()) return std::string(word);
  return absl::StrCat("'", absl::StrReplaceAll(std::string(word), {{"'", "'\\''"}}), "'");
}

std::string Join(std::string_view path, std::string_view name) {
  std::string joined(path == "." ? "" : path);
  if (!joined.empty() && joined.back() != '/') joined.push_back('/');
  return joined.append(name);
}

bool IsEntryName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

std::string Explain(std::string_view path, const absl::Status& status) {
  const std::string_view message(status.message().data(), status.message().size());
  // Without a connection no path is to blame.
  if (absl::IsUnavailable(status)) return std::string(message);
  // gRPC's own answer for a service that isn't there says nothing.
  if (absl::IsUnimplemented(status) && message.empty()) {
    return "the node has no files for us: its release is too old";
  }
  std::string text = ":";
  // Some nodes' messages begin with the path.
  if (message.starts_with(path) && message.substr(path.size()).starts_with(':')) {
    return text.append(message);
  }
  return text.append(path).append(": ").append(message);
}

}  // namespace nacre::cli
