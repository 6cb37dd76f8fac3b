#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// What an operator says of a node, for those who choose among nodes: a name and a text each.
namespace nacre {

inline constexpr size_t kMaxLabels = 64;

// OK for a name of 1 to 63 letters, digits, '.', '_', '/' and '-', of which the first is a letter
// or digit, with a text of up to 256 bytes of UTF-8 without control characters. INVALID_ARGUMENT
// says what is wrong.
absl::Status CheckLabel(std::string_view name, std::string_view text);

// "NAME=TEXT" as the two.
absl::StatusOr<std::pair<std::string, std::string>> ParseLabel(std::string_view label);

// Several of these; INVALID_ARGUMENT also for a name that comes twice, and too many.
absl::StatusOr<std::map<std::string, std::string>> ParseLabels(
    const std::vector<std::string>& labels);

}  // namespace nacre
