// The process's own descriptors 0 to 2.
#ifndef NACRE_CLIENT_CLI_DESCRIPTORS_H_
#define NACRE_CLIENT_CLI_DESCRIPTORS_H_

#include <string_view>

namespace nacre::cli {

// (Descriptors 0 to 2 that the caller left closed are filled before anything else runs, so that
// nothing takes their number and is mistaken for them. Using one still fails with EBADF.)

// Writes all of it, whatever the descriptor is: blocking or not, terminal, pipe or file. Returns 0
// or the errno.
int WriteAll(int fd, std::string_view data);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_DESCRIPTORS_H_
