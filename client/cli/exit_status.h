// Exit statuses, and how a status or a termination becomes one.
#ifndef NACRE_CLIENT_CLI_EXIT_STATUS_H_
#define NACRE_CLIENT_CLI_EXIT_STATUS_H_

#include "absl/status/status.h"
#include "nacre/client.h"

namespace nacre::cli {

constexpr int kExitFailure = 1;  // Of verbs other than exec.
constexpr int kExitUsage = 2;
constexpr int kExitTimedOut = 124;
constexpr int kExitNacreFailed = 125;
constexpr int kExitNotExecutable = 126;
constexpr int kExitNotFound = 127;

// As a shell has it: 128+N.
constexpr int ExitOfSignal(int number) { return 128 + number; }

// Exit status of an exec that failed before its command ended.
int ExitStatus(const absl::Status& status);

// Exit status of an exec whose command ended.
int ExitStatus(const client::Termination& end);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_EXIT_STATUS_H_
