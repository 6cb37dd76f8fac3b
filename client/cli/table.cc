#include "client/cli/table.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_format.h"

namespace nacre::cli {
namespace {

constexpr std::string_view kGap = "  ";

bool Continues(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// The character at the start of `text`: its bytes, 0 if it is no UTF-8, and its number.
size_t Decode(std::string_view text, uint32_t* character) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const size_t bytes = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (bytes == 0 || lead > 0xF4 || bytes > text.size()) return 0;
  *character = bytes == 1 ? lead : lead & (0x7F >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if (!Continues(text[i])) return 0;
    *character = *character << 6 | (static_cast<unsigned char>(text[i]) & 0x3F);
  }
  return bytes;
}

// C0, DEL, C1; line and paragraph separators; marks, embeddings, overrides and isolates of
// direction.
bool Acts(uint32_t character) {
  return character < 0x20 || (character >= 0x7F && character < 0xA0) || character == 0x61C ||
         character == 0x200E || character == 0x200F ||
         (character >= 0x2028 && character <= 0x202E) ||
         (character >= 0x2066 && character <= 0x2069);
}

size_t Characters(std::string_view text) {
  return text.size() - static_cast<size_t>(std::count_if(text.begin(), text.end(), Continues));
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string printable;
  while (!text.empty()) {
    uint32_t character = 0;
    const size_t bytes = Decode(text, &character);
    if (bytes > 0 && !Acts(character)) {
      printable.append(text.substr(0, bytes));
    } else if (text[0] == '\n') {
      printable.append("\\n");
    } else if (text[0] == '\t') {
      printable.append("\\t");
    } else {
      for (const char byte : text.substr(0, std::max<size_t>(bytes, 1))) {
        printable.append(absl::StrFormat("\\x%02x", static_cast<unsigned char>(byte)));
      }
    }
    text.remove_prefix(std::max<size_t>(bytes, 1));
  }
  return printable;
}

std::string Shortened(const std::string& printable, size_t characters) {
  if (Characters(printable) <= characters) return printable;
  size_t end = 0;
  for (size_t left = characters; end < printable.size(); ++end) {
    if (!Continues(printable[end]) && left-- == 1) break;
  }
  return printable.substr(0, end) + "…";
}

std::string Table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Characters(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      text.append(row[i]);
      if (i + 1 == row.size()) break;
      text.append(widths[i] - Characters(row[i]), ' ').append(kGap);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text.push_back('\n');
  }
  return text;
}

}  // namespace nacre::cli
