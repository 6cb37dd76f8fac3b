// The process's own descriptors 0 to 2.
#ifndef NACRE_CLIENT_CLI_DESCRIPTORS_H_
#define NACRE_CLIENT_CLI_DESCRIPTORS_H_

#include <string_view>

namespace nacre::cli {

// Fills descriptors 0 to 2 that the caller left closed, so that no socket takes their number and is
// mistaken for them. Using one still fails with EBADF.
void FillStandardDescriptors();

// Writes all of it, whatever the descriptor is: blocking or not, terminal, pipe or file. Returns 0
// or the errno.
int WriteAll(int fd, std::string_view data);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_DESCRIPTORS_H_
