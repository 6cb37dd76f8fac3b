// How to copy.
#ifndef NACRE_CLIENT_CLI_COPY_OPTIONS_H_
#define NACRE_CLIENT_CLI_COPY_OPTIONS_H_

#include <cstdint>

namespace nacre::cli {

// What the options of nacre cp say.
struct CopyOptions {
  bool recursive = false;
  bool preserve = false;
  bool resume = false;
  bool checksum = false;
  bool sync = false;
  int calls = 16;      // At once.
  uint32_t umask = 0;  // Ours.

  bool KeepsTimes() const { return recursive || preserve; }
  uint32_t ModeOf(uint32_t mode) const { return mode & (preserve ? 07777 : 0777); }
  // Of a file that comes here.
  uint32_t ModeHere(uint32_t mode) const { return ModeOf(mode) & (KeepsTimes() ? ~0U : ~umask); }
};

// From this size on, what has come of a copy that is interrupted is kept, and gone on with.
constexpr uint64_t kResumableBytes = 8 << 20;

// Of a second source of one name.
constexpr char kJustCopied[] = "is not copied: it would overwrite what was just copied";

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_COPY_OPTIONS_H_
