#include "client/cli/signals.h"

#include <csignal>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace nacre::cli {
namespace {

// RTMIN, RTMIN+n, RTMAX, RTMAX-n.
std::optional<int> ParseRealTime(absl::string_view name) {
  const bool from_least = absl::ConsumePrefix(&name, "RTMIN");
  if (!from_least && !absl::ConsumePrefix(&name, "RTMAX")) return std::nullopt;
  int steps = 0;
  if (!name.empty()) {
    const bool signed_right = absl::ConsumePrefix(&name, from_least ? "+" : "-");
    if (!signed_right || !absl::SimpleAtoi(name, &steps) || steps < 0) return std::nullopt;
  }
  if (steps > SIGRTMAX - SIGRTMIN) return std::nullopt;
  return from_least ? SIGRTMIN + steps : SIGRTMAX - steps;
}

}  // namespace

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
  return ParseRealTime(absl::StripPrefix(name, "SIG"));
}

}  // namespace nacre::cli
