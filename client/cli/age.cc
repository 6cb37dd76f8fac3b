#include "client/cli/age.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace nacre::cli {

std::string Age(absl::Duration age) {
  const int64_t seconds = std::max<int64_t>(absl::ToInt64Seconds(age), 0);
  if (seconds < 60) return absl::StrCat(seconds, "s");
  if (seconds < 3600) return absl::StrCat(seconds / 60, "m");
  if (seconds < 24 * 3600) return absl::StrCat(seconds / 3600, "h");
  return absl::StrCat(seconds / (24 * 3600), "d");
}

}  // namespace nacre::cli
