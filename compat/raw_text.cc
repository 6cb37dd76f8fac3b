#include "compat/raw_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace nacre::compat {
namespace {

constexpr size_t kLeastSegment = 536;

std::string_view WithoutLineEnd(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

bool IsControl(char byte) {
  const auto value = static_cast<unsigned char>(byte);
  return (value < 0x20 && byte != '\t' && byte != '\r' && byte != '\n') || value == 0x7f;
}

// Whether the first line is `METHOD TARGET HTTP/…`: a browser that was tricked into posting here.
bool IsHttpRequest(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of("\r\n"), text.size()));
  const std::string line(text.substr(0, text.find_first_of("\r\n")));
  const std::vector<std::string> words =
      absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  return words.size() == 3 && words[2].starts_with("HTTP/");
}

}  // namespace

Decoded DecodeRawText(std::string_view bytes, size_t max_request, Arrival arrival) {
  const std::string_view text = WithoutLineEnd(bytes);
  const bool too_long = text.size() > max_request;
  if (bytes.size() >= kLeastSegment && arrival == Arrival::kOpen && !too_long) {
    return Decoded::AwaitsSilence();
  }
  if (IsHttpRequest(text)) return Decoded::Foreign("an HTTP request is no command");
  if (too_long) {
    return Decoded::Refused(
        absl::StrFormat("the command is longer than %d bytes (max_request)", max_request));
  }
  if (std::any_of(text.begin(), text.end(), IsControl)) {
    return Decoded::Refused("the command holds control characters");
  }
  return Decoded::Command(text, bytes.size());
}

}  // namespace nacre::compat
