#pragma once

#include <string>
#include <string_view>

#include "absl/strings/str_format.h"

// Log lines of the daemons, on standard error. Safe from any thread.
namespace nacre::log {

// kNone: of lines to drop, none is kept.
enum class Level { kDebug, kInfo, kWarning, kError, kNone };

// Names the process in each line and drops lines below `level`. Once, before other threads exist.
void Init(std::string_view process, Level level);

// Writes one line of up to 950 bytes; control characters in it are escaped. Never waits for whoever
// reads them: a line that has no room is dropped, and the next one says how many were.
void Write(Level level, std::string_view line);

// The line without what a terminal would act upon, and not too long.
std::string Escape(std::string_view line);

template <typename... Args>
void Debug(const absl::FormatSpec<Args...>& format, const Args&... args) {
  Write(Level::kDebug, absl::StrFormat(format, args...));
}
template <typename... Args>
void Info(const absl::FormatSpec<Args...>& format, const Args&... args) {
  Write(Level::kInfo, absl::StrFormat(format, args...));
}
template <typename... Args>
void Warning(const absl::FormatSpec<Args...>& format, const Args&... args) {
  Write(Level::kWarning, absl::StrFormat(format, args...));
}
template <typename... Args>
void Error(const absl::FormatSpec<Args...>& format, const Args&... args) {
  Write(Level::kError, absl::StrFormat(format, args...));
}

}  // namespace nacre::log
