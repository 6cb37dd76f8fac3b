#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

// How people write quantities. Errors (INVALID_ARGUMENT) say what was expected.
namespace nacre {

// Bytes: a whole number, with K, M, G or T (powers of 1024) behind it if need be.
absl::StatusOr<uint64_t> ParseSize(std::string_view text);

// Nanoseconds, from text such as "500ms", "30s" or "1h30m": absl::ParseDuration's form. From 0 to a
// year.
absl::StatusOr<int64_t> ParseDurationNs(std::string_view text);

}  // namespace nacre
