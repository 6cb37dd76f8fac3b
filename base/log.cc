#include "base/log.h"

#include <poll.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
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
    case Level::kNone:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

// What a pipe takes at once when it takes anything (PIPE_BUF), less what stands before the line.
constexpr size_t kMaxLine = 3800;

// Lines that had no room.
std::atomic<uint64_t> lost{0};

// Whoever reads standard error must not be able to stop us: a line that has no room is dropped.
bool HasRoom() {
  pollfd out{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  return poll(&out, 1, 0) != 0;
}

}  // namespace

void Init(std::string_view process, Level level) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt(std::string(process)));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %n[%P] %l: %v");
  spdlog::set_level(ToSpdlog(level));
}

std::string Escape(std::string_view line) {
  line = line.substr(0, kMaxLine / 4);
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

void Write(Level level, std::string_view line) {
  if (!spdlog::should_log(ToSpdlog(level))) return;
  if (!HasRoom()) {
    ++lost;
    return;
  }
  if (const uint64_t count = lost.exchange(0); count > 0) {
    spdlog::warn("{} lines had no room and are lost", count);
  }
  spdlog::log(ToSpdlog(level), Escape(line));
}

}  // namespace nacre::log
