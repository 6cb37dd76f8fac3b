#include "client/cli/signals.h"

#include <csignal>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace nacre::cli {

std::optional<int> ParseSignal(const std::string& text) {
  int number = 0;
  if (absl::SimpleAtoi(text, &number)) {
    return number >= 1 && number <= SIGRTMAX ? std::optional(number) : std::nullopt;
  }
  const std::string name = absl::AsciiStrToUpper(text);
  for (number = 1; number < SIGRTMIN; ++number) {
    const char* short_name = sigabbrev_np(number);
    if (short_name != nullptr && absl::StripPrefix(name, "SIG") == short_name) return number;
  }
  return std::nullopt;
}

}  // namespace nacre::cli
