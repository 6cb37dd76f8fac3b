#include "config/units.h"

#include <limits>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace nacre {

absl::StatusOr<uint64_t> ParseSize(std::string_view text) {
  static constexpr std::string_view kUnits = "KMGT";
  std::string_view number = text;
  int shift = 0;
  if (!text.empty()) {
    if (const size_t unit = kUnits.find(text.back()); unit != std::string_view::npos) {
      shift = 10 * (static_cast<int>(unit) + 1);
      number.remove_suffix(1);
    }
  }
  uint64_t value;
  if (number.empty() || number.find_first_not_of("0123456789") != std::string_view::npos ||
      !absl::SimpleAtoi(std::string(number), &value) ||
      value > std::numeric_limits<uint64_t>::max() >> shift) {
    return absl::InvalidArgumentError(
        absl::StrFormat("\"%s\" is no size (expected bytes, or a number with K, M, G or T)", text));
  }
  return value << shift;
}

absl::StatusOr<int64_t> ParseDurationNs(std::string_view text) {
  absl::Duration duration;
  if (!absl::ParseDuration(std::string(text), &duration) || duration < absl::ZeroDuration() ||
      duration > absl::Hours(24 * 365)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "\"%s\" is no duration from 0s to 8760h (expected e.g. 500ms, 30s, 1h30m)", text));
  }
  return absl::ToInt64Nanoseconds(duration);
}

}  // namespace nacre
