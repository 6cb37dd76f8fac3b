#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace nacre {

// The candidate that `word` was most likely meant to be, by Levenshtein distance; empty when none
// is within a third of its length.
std::string_view Nearest(std::string_view word, const std::vector<std::string>& candidates);

// "; did you mean "X"?" or nothing.
std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace nacre
