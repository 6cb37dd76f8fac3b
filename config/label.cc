#include "config/label.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"

namespace nacre {
namespace {

constexpr size_t kMaxName = 63;
constexpr size_t kMaxText = 256;
constexpr uint32_t kInvalid = UINT32_MAX;

bool IsInName(char c) {
  return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '/' || c == '-';
}

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && absl::ascii_isalnum(name[0]) &&
         std::all_of(name.begin(), name.end(), IsInName);
}

// Takes the first character. RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF.
uint32_t TakeCharacter(std::string_view* text) {
  const auto lead = static_cast<unsigned char>(text->front());
  const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (text->size() < length || (lead >= 0x80 && lead < 0xC2) || lead > 0xF4) return kInvalid;
  uint32_t character = length == 1 ? lead : lead & (0x7FU >> length);
  for (size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>((*text)[i]);
    if ((next & 0xC0) != 0x80) return kInvalid;
    character = character << 6 | (next & 0x3FU);
  }
  text->remove_prefix(length);
  constexpr uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
  const bool surrogate = character >= 0xD800 && character <= 0xDFFF;
  if (character < kLeast[length - 1] || surrogate || character > 0x10FFFF) return kInvalid;
  return character;
}

// U+0000 to U+001F and U+007F to U+009F act on terminals.
bool IsPrintable(std::string_view text) {
  while (!text.empty()) {
    const uint32_t character = TakeCharacter(&text);
    if (character == kInvalid || character < 0x20 || (character >= 0x7F && character < 0xA0)) {
      return false;
    }
  }
  return true;
}

std::string Quoted(std::string_view name) {
  return absl::Utf8SafeCHexEscape(absl::string_view(name.data(), std::min(name.size(), kMaxName)));
}

}  // namespace

absl::Status CheckLabel(std::string_view name, std::string_view text) {
  if (!IsName(name)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "label \"%s\": a name is 1 to %d letters, digits, '.', '_', '/' and '-', the first one a "
        "letter or digit",
        Quoted(name), kMaxName));
  }
  if (text.size() > kMaxText) {
    return absl::InvalidArgumentError(
        absl::StrFormat("label \"%s\" has more than %d bytes", Quoted(name), kMaxText));
  }
  if (!IsPrintable(text)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("label \"%s\" is not UTF-8, or holds a control character", Quoted(name)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::pair<std::string, std::string>> ParseLabel(std::string_view label) {
  const size_t equals = label.find('=');
  if (equals == std::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrFormat("label \"%s\" lacks its text: NAME=TEXT", Quoted(label)));
  }
  const std::string_view name = label.substr(0, equals), text = label.substr(equals + 1);
  if (absl::Status status = CheckLabel(name, text); !status.ok()) return status;
  return std::pair<std::string, std::string>(name, text);
}

absl::StatusOr<std::map<std::string, std::string>> ParseLabels(
    const std::vector<std::string>& labels) {
  std::map<std::string, std::string> parsed;
  for (const std::string& text : labels) {
    auto label = ParseLabel(text);
    if (!label.ok()) return label.status();
    if (!parsed.insert(*label).second) {
      return absl::InvalidArgumentError(
          absl::StrFormat("label \"%s\" is given twice", label->first));
    }
  }
  if (parsed.size() > kMaxLabels) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%d labels: a node has at most %d", parsed.size(), kMaxLabels));
  }
  return parsed;
}

}  // namespace nacre
