#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <string>

#include "absl/strings/str_format.h"

namespace nacre::log {
namespace {

spdlog::level::level_enum ToSpdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string Escape(std::string_view line) {
  std::string escaped;
  for (const char byte : line) {
    if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f) {
      absl::StrAppendFormat(&escaped, "\\x%02x", static_cast<unsigned char>(byte));
    } else {
      escaped.push_back(byte);
    }
  }
  return escaped;
}

}  // namespace

void Init(std::string_view process, Level level) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt(std::string(process)));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %n[%P] %l: %v");
  spdlog::set_level(ToSpdlog(level));
}

void Write(Level level, std::string_view line) {
  if (!spdlog::should_log(ToSpdlog(level))) return;
  spdlog::log(ToSpdlog(level), Escape(line));
}

}  // namespace nacre::log
