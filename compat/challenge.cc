#include "compat/challenge.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include "absl/status/status.h"

namespace nacre::compat {

absl::StatusOr<std::string> NewChallenge() {
  std::string challenge(kChallengeBytes, '\0');
  if (getrandom(challenge.data(), challenge.size(), 0) != kChallengeBytes) {
    return absl::ErrnoToStatus(errno, "getrandom");
  }
  return challenge;
}

bool Proves(std::string_view secret, std::string_view challenge, std::string_view answer) {
  unsigned char expected[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(challenge.data());
  return HMAC(EVP_md5(), secret.data(), static_cast<int>(secret.size()), bytes, challenge.size(),
              expected, &size) != nullptr &&
         size == kAnswerBytes && answer.size() == kAnswerBytes &&
         CRYPTO_memcmp(expected, answer.data(), kAnswerBytes) == 0;
}

}  // namespace nacre::compat
