#pragma once

#include <string>
#include <vector>

namespace nacre {

// A command's arguments as others may read them: what follows an option that names a secret
// ("--token=…", "--password …") is left out. A secret in a shell line or under another name is not
// recognized.
std::vector<std::string> RedactSecrets(const std::vector<std::string>& argv);

}  // namespace nacre
