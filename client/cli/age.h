// How long ago, for people.
#ifndef NACRE_CLIENT_CLI_AGE_H_
#define NACRE_CLIENT_CLI_AGE_H_

#include <string>

#include "absl/time/time.h"

namespace nacre::cli {

// In the largest unit that fits, e.g. "5m". Negative ones, of clocks that differ, are "0s".
std::string Age(absl::Duration age);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_AGE_H_
