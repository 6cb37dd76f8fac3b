#include "client/cli/file_line.h"

#include <unistd.h>

#include "client/cli/table.h"

namespace nacre::cli {
namespace {

char TypeLetter(client::FileType type) {
  switch (type) {
    case client::FileType::kOther:
      return '?';
    case client::FileType::kRegular:
      return '-';
    case client::FileType::kDirectory:
      return 'd';
    case client::FileType::kSymlink:
      return 'l';
    case client::FileType::kFifo:
      return 'p';
    case client::FileType::kSocket:
      return 's';
    case client::FileType::kCharacterDevice:
      return 'c';
    case client::FileType::kBlockDevice:
      return 'b';
  }
  return '?';
}

}  // namespace

std::string ModeText(client::FileType type, uint32_t mode) {
  std::string text(1, TypeLetter(type));
  for (int bit = 8; bit >= 0; --bit) text.push_back((mode >> bit & 1) != 0 ? "xwr"[bit % 3] : '-');
  const auto special = [&](uint32_t bit, size_t at, char letter) {
    if ((mode & bit) == 0) return;
    text[at] = text[at] == 'x' ? letter : static_cast<char>(letter - 'a' + 'A');
  };
  special(04000, 3, 's');
  special(02000, 6, 's');
  special(01000, 9, 't');
  return text;
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", time, absl::LocalTimeZone());
}

std::string ForOutput(const std::string& name) {
  static const bool kTerminal = ::isatty(STDOUT_FILENO) != 0;
  return kTerminal ? Printable(name) : name;
}

}  // namespace nacre::cli
