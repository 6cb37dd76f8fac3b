#include "executor/redact.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace nacre {
namespace {

constexpr const char* kSecretWords[] = {"password", "passwd",  "passphrase", "secret",
                                        "token",    "api-key", "apikey",     "credential"};
constexpr char kRedacted[] = "[redacted]";

// Whether an argument such as "--db-password" or "-token" names a secret.
bool NamesSecret(absl::string_view argument) {
  if (!absl::StartsWith(argument, "-")) return false;
  const std::string name = absl::AsciiStrToLower(argument.substr(0, argument.find('=')));
  return std::any_of(std::begin(kSecretWords), std::end(kSecretWords),
                     [&](const char* word) { return absl::StrContains(name, word); });
}

}  // namespace

std::vector<std::string> RedactSecrets(const std::vector<std::string>& argv) {
  std::vector<std::string> redacted;
  bool value_follows = false;
  for (const std::string& argument : argv) {
    const bool secret = NamesSecret(argument);
    const size_t equals = argument.find('=');
    if (secret && equals != std::string::npos) {
      redacted.push_back(argument.substr(0, equals + 1) + kRedacted);
    } else {
      redacted.push_back(value_follows && !secret ? kRedacted : argument);
    }
    value_follows = secret && equals == std::string::npos;
  }
  return redacted;
}

}  // namespace nacre
