#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "nacre/client.h"

// What is measured of Nacre, written as the author of a tool would write it. Each call fails unless
// its command did what it should. Any thread may call any function.
namespace nacre::bench {

// Runs TrueCommand, following it to its end; as the node's own user if `user` is empty.
absl::Status ExecTrue(client::Client& client, const std::string& user = "");
// The same in one call.
absl::Status RunTrue(client::Client& client);
// Takes `bytes` of a command's output.
absl::Status StreamOut(client::Client& client, uint64_t bytes);
// Gives a command `bytes` of input.
absl::Status StreamIn(client::Client& client, uint64_t bytes);

}  // namespace nacre::bench
