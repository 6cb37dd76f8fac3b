#include "files/make_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>
#include <utility>
#include <vector>

#include "files/entry.h"
#include "files/path.h"

namespace nacre::files {
namespace {

constexpr mode_t kParentMode = 0755;
constexpr mode_t kSpecialBits = 07000;
constexpr int kDirectory = O_PATH | O_DIRECTORY;

Result<UniqueFd> Make(const Resolver& resolver, std::string_view path, mode_t mode) {
  Result<Place> place = resolver.Locate(path);
  if (!place.ok()) return place.outcome();
  const int directory = place->directory.get();
  if (mkdirat(directory, place->name.c_str(), mode) != 0) return Errno();
  UniqueFd made(openat(directory, place->name.c_str(), kDirectory | O_NOFOLLOW | O_CLOEXEC));
  if (!made.valid()) return Errno();
  const Result<v1::Entry> entry = DescribeFd(made.get(), place->name);
  if (!entry.ok()) return entry.outcome();
  // mkdir sets the sticky bit only, and what the directory above hands down.
  const mode_t has = entry->mode() & 07777;
  const mode_t wanted = has | (mode & kSpecialBits);
  // Whose it is: another may have been quicker to put one of his there.
  if (wanted != has && entry->uid() == geteuid()) {
    if (const Outcome set = SetMode(made.get(), wanted); !set.ok()) return set;
  }
  return made;
}

// Each beginning of the path that ends with a component: "a", "a/b", ... The whole path is not one.
std::vector<std::string_view> Above(std::string_view path) {
  std::vector<std::string_view> above;
  const size_t last = path.find_last_not_of('/');
  for (size_t at = path.find_first_not_of('/'); at <= last;) {
    const size_t end = path.find('/', at);
    if (end > last) break;  // also npos
    above.push_back(path.substr(0, end));
    at = path.find_first_not_of('/', end);
  }
  return above;
}

}  // namespace

Result<UniqueFd> MakeOneDirectory(const v1::Path& path, mode_t mode) {
  const Result<Resolver> resolver = Resolver::For(path);
  if (!resolver.ok()) return resolver.outcome();
  return Make(*resolver, resolver->path(), mode);
}

Result<UniqueFd> MakeDirectories(const v1::Path& path, mode_t mode) {
  const Result<Resolver> resolver = Resolver::For(path);
  if (!resolver.ok()) return resolver.outcome();
  const auto open = [&](std::string_view part) { return resolver->Open(part, kDirectory); };
  Result<UniqueFd> there = open(resolver->path());
  if (there.ok() || there.outcome().error != ENOENT) {
    // As mkdir -p says it, of the last component; of one above it stays ENOTDIR.
    const bool taken =
        there.outcome().error == ENOTDIR && resolver->Open(resolver->path(), O_PATH).ok();
    if (taken) return Errno(EEXIST);
    return there;
  }
  const std::vector<std::string_view> above = Above(resolver->path());
  // Most of the path is there, as a rule.
  size_t first = above.size();
  while (first > 0 && open(above[first - 1]).outcome().error == ENOENT) --first;
  for (; first < above.size(); ++first) {
    const Outcome made = Make(*resolver, above[first], kParentMode).outcome();
    // EEXIST: another was quicker. EINVAL: "..", which is there by now.
    if (!made.ok() && made.error != EEXIST && made.error != EINVAL) return made;
  }
  Result<UniqueFd> made = Make(*resolver, resolver->path(), mode);
  if (made.outcome().error == EEXIST || made.outcome().error == EINVAL) {
    there = open(resolver->path());
    // A link to nothing is in the way, or a file.
    if (!there.ok() && made.outcome().error == EEXIST) return made;
    return there;
  }
  return made;
}

}  // namespace nacre::files
