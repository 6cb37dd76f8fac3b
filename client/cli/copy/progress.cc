#include "client/cli/copy/progress.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/cli/descriptors.h"
#include "client/cli/report.h"
#include "client/cli/table.h"
#include "client/cli/window_size.h"

namespace nacre::cli {
namespace {

constexpr auto kRedrawEvery = std::chrono::milliseconds(100);
// To the beginning of the line, and erase it.
constexpr std::string_view kEraseLine = "\r\x1B[K";

std::string Files(uint64_t files) { return absl::StrCat(files, files == 1 ? " file" : " files"); }

// Bytes in a second; 0: not known yet.
uint64_t Rate(const ProgressState& state) {
  const double seconds = absl::ToDoubleSeconds(state.elapsed);
  return seconds > 0 ? static_cast<uint64_t>(static_cast<double>(state.bytes) / seconds) : 0;
}

std::string ShortDuration(absl::Duration duration) {
  return absl::FormatDuration(absl::Trunc(
      duration, duration < absl::Seconds(10) ? absl::Milliseconds(100) : absl::Seconds(1)));
}

}  // namespace

std::string FormatBytes(uint64_t bytes) {
  static constexpr std::array<const char*, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  auto value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  // What would round to 1024.0 is one of the next.
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.1f %s", value, kUnits[unit]);
}

std::string FormatProgress(const ProgressState& state, size_t columns) {
  const uint64_t done = state.bytes + state.there;
  std::string line = absl::StrCat(Files(state.files), ", ", FormatBytes(done));
  const uint64_t rate = Rate(state);
  if (state.total_bytes.has_value()) {
    const uint64_t total = std::max(*state.total_bytes, done);
    const double share = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
    absl::StrAppend(&line, " of ", FormatBytes(total), " (", static_cast<int>(100 * share), "%)");
  }
  absl::StrAppend(&line, ", ", FormatBytes(rate), "/s");
  if (state.total_bytes.has_value() && rate > 0) {
    const uint64_t left = *state.total_bytes - std::min(*state.total_bytes, done);
    const auto seconds = static_cast<int64_t>(left / rate) + 1;
    absl::StrAppend(&line, ", ", absl::FormatDuration(absl::Seconds(seconds)), " left");
  }
  return Shortened(line, columns);
}

std::string FormatSummary(const ProgressState& state) {
  std::string line =
      absl::StrCat(Files(state.files), ", ", FormatBytes(state.bytes), " in ",
                   ShortDuration(state.elapsed), " (", FormatBytes(Rate(state)), "/s)");
  if (state.there > 0) {
    absl::StrAppend(&line, ", ", FormatBytes(state.there), " were there already");
  }
  return line;
}

Progress::Progress(bool shown) : begun_(absl::Now()), shown_(shown) {
  if (!shown) return;
  thread_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    while (!hidden_.wait_for(lock, kRedrawEvery, [this] { return !shown_; })) Draw();
  });
}

Progress::~Progress() {
  Hide();
  if (thread_.joinable()) thread_.join();
}

void Progress::Say(std::string_view message) {
  const std::lock_guard lock(mutex_);
  Erase();
  Report(message);
}

void Progress::Hide() {
  const std::lock_guard lock(mutex_);
  Erase();
  shown_ = false;
  hidden_.notify_all();
}

ProgressState Progress::state() const {
  const uint64_t total = total_bytes_;
  return {.files = files_,
          .bytes = bytes_,
          .there = there_,
          .total_bytes = total == kUnknown ? std::nullopt : std::optional(total),
          .elapsed = absl::Now() - begun_};
}

void Progress::Draw() {
  // One column stays free: some terminals wrap a line that fills them all.
  const size_t columns = std::max<size_t>(ReadWindowSize(STDERR_FILENO).columns, 2) - 1;
  (void)WriteAll(STDERR_FILENO,
                 absl::StrCat(absl::string_view(kEraseLine.data(), kEraseLine.size()),
                              FormatProgress(state(), columns)));
  drawn_ = true;
}

void Progress::Erase() {
  if (drawn_) (void)WriteAll(STDERR_FILENO, kEraseLine);
  drawn_ = false;
}

}  // namespace nacre::cli
