#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// How an old client proves a shared secret: it is sent random bytes and answers their HMAC-MD5 (RFC
// 2104), as Python's hmac.compare_digest examples do. MD5's collisions do not touch HMAC-MD5 (RFC
// 6151), but nothing new should use it.
namespace nacre::compat {

inline constexpr size_t kChallengeBytes = 32;
inline constexpr size_t kAnswerBytes = 16;

// Random bytes from the kernel.
absl::StatusOr<std::string> NewChallenge();

// Whether `answer` is the one to `challenge`; takes the same time either way.
bool Proves(std::string_view secret, std::string_view challenge, std::string_view answer);

}  // namespace nacre::compat
