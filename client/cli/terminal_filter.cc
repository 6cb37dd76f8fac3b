#include "client/cli/terminal_filter.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_format.h"

namespace nacre::cli {
namespace {

constexpr char kEscape = '\x1B';
constexpr char kBell = '\a';

// Text that needs no look at what follows.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (size_t byte = 0x20; byte < 0x7F; ++byte) plain[byte] = true;
  for (const char byte : {'\b', '\t', '\n', '\v', '\f', '\r'}) plain[byte] = true;
  return plain;
}();

unsigned char Byte(char byte) { return static_cast<unsigned char>(byte); }

bool IsBetween(char byte, unsigned char low, unsigned char high) {
  return Byte(byte) >= low && Byte(byte) <= high;
}

size_t EndOfPlain(std::string_view data, size_t from) {
  while (from < data.size() && kPlain[Byte(data[from])]) ++from;
  return from;
}

bool OnlyOf(std::string_view text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == std::string_view::npos;
}

// A control character, a control sequence or a character of more than one byte.
struct Element {
  size_t bytes = 0;
  bool complete = true;  // False: it may go on behind what there is.
};

// Of ESC [ and, as far as they are there, its parameters, intermediate bytes and final byte.
Element ControlSequence(std::string_view data) {
  data = data.substr(0, TerminalFilter::kLongestSequence);
  size_t end = 2;
  while (end < data.size() && IsBetween(data[end], 0x20, 0x3F)) ++end;
  if (end == data.size()) return {end, end == TerminalFilter::kLongestSequence};
  return {IsBetween(data[end], 0x40, 0x7E) ? end + 1 : end};
}

// Whether `next` can be the second byte of a well-formed character (Unicode, table 3-7).
bool Follows(char lead, char next) {
  switch (Byte(lead)) {
    case 0xE0:
      return IsBetween(next, 0xA0, 0xBF);
    case 0xED:
      return IsBetween(next, 0x80, 0x9F);
    case 0xF0:
      return IsBetween(next, 0x90, 0xBF);
    case 0xF4:
      return IsBetween(next, 0x80, 0x8F);
    default:
      return IsBetween(next, 0x80, 0xBF);
  }
}

// A character in UTF-8, or one byte that is none.
Element Character(std::string_view data) {
  const unsigned char lead = Byte(data[0]);
  const size_t bytes = lead < 0xC2 || lead > 0xF4 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  for (size_t i = 1; i < bytes; ++i) {
    if (i == data.size()) return {i, false};
    if (!(i == 1 ? Follows(lead, data[1]) : IsBetween(data[i], 0x80, 0xBF))) return {1};
  }
  return {bytes};
}

// The one at the start of `data`, which is not plain.
Element FirstElement(std::string_view data) {
  if (Byte(data[0]) >= 0x80) return Character(data);
  if (data[0] != kEscape) return {1};
  if (data.size() == 1) return {1, false};
  return data[1] == '[' ? ControlSequence(data) : Element{1};
}

bool IsHarmless(std::string_view sequence) {
  const char final = sequence.back();
  const std::string_view parameters = sequence.substr(2, sequence.size() - 3);
  switch (final) {
    case 'm':
      return OnlyOf(parameters, "0123456789;:");
    case 'h':
    case 'l':
      return parameters == "?25";
    // With parameters they set margins, and start to track the mouse.
    case 's':
    case 'u':
      return parameters.empty();
    case 'T':
      return OnlyOf(parameters, "0123456789");
    default:
      return OnlyOf({&final, 1}, "ABCDEFGHJKSdf") && OnlyOf(parameters, "0123456789;");
  }
}

}  // namespace

std::string_view TerminalFilter::Filter(std::string_view data) {
  if (held_.empty() && EndOfPlain(data, 0) == data.size()) return data;
  out_.clear();
  if (!held_.empty()) {
    const size_t held_before = held_.size();
    held_.append(data.substr(0, kLongestSequence));
    // Nothing: `data` was too short to tell. Else at least all that was held before, for only its
    // first byte can begin a sequence.
    const size_t scanned = Scan(held_, false);
    if (scanned == 0) return out_;
    data.remove_prefix(scanned - held_before);
  }
  held_ = data.substr(Scan(data, false));
  return out_;
}

std::string_view TerminalFilter::Finish() {
  out_.clear();
  (void)Scan(held_, true);
  held_.clear();
  return out_;
}

// Appends what may be shown of `data` to out_; returns how much of it is dealt with: all but an
// incomplete element at its end, which `last` makes complete.
size_t TerminalFilter::Scan(std::string_view data, bool last) {
  size_t copied = 0;
  size_t at = 0;
  for (;;) {
    at = EndOfPlain(data, at);
    if (at == data.size()) break;
    const Element element = FirstElement(data.substr(at));
    if (!element.complete && !last) break;
    const std::string_view bytes = data.substr(at, element.bytes);
    const bool begins_string =
        bytes == "\x1B" && at + 1 < data.size() && OnlyOf(data.substr(at + 1, 1), "]PX^_");
    if (!element.complete || !MayPass(bytes)) {
      out_.append(data.substr(copied, at - copied));
      Show(bytes);
      copied = at + element.bytes;
    }
    if (bytes[0] == kEscape || bytes[0] == kBell) in_string_ = begins_string;
    at += element.bytes;
  }
  out_.append(data.substr(copied, at - copied));
  return at;
}

bool TerminalFilter::MayPass(std::string_view element) {
  switch (element[0]) {
    case kBell:
      return !in_string_;
    case kEscape:
      return element.size() > 2 && IsHarmless(element);
    case '\xC2':
      return element.size() == 1 || !IsBetween(element[1], 0x80, 0x9F);
    default:
      return Byte(element[0]) > 0x9F;
  }
}

void TerminalFilter::Show(std::string_view bytes) {
  for (const char byte : bytes) {
    if (Byte(byte) >= 0x80) {
      absl::StrAppendFormat(&out_, "\\x%02x", Byte(byte));
    } else if (Byte(byte) < 0x20 || byte == '\x7F') {
      out_.push_back('^');
      out_.push_back(static_cast<char>(byte ^ 0x40));
    } else {
      out_.push_back(byte);
    }
  }
}

}  // namespace nacre::cli
