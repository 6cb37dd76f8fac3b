// Files for people.
#ifndef NACRE_CLIENT_CLI_FILE_LINE_H_
#define NACRE_CLIENT_CLI_FILE_LINE_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "nacre/files.h"

namespace nacre::cli {

// As ls -l has it, e.g. "-rw-r--r--".
std::string ModeText(client::FileType type, uint32_t mode);

// In our time zone, to the second.
std::string TimeText(absl::Time time);

// A name as our standard output takes it: escaped for a terminal, else byte for byte.
std::string ForOutput(const std::string& name);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_FILE_LINE_H_
