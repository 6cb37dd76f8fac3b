// How far a copy has come, for people.
#ifndef NACRE_CLIENT_CLI_COPY_PROGRESS_H_
#define NACRE_CLIENT_CLI_COPY_PROGRESS_H_

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "absl/time/time.h"

namespace nacre::cli {

// How far it has come at one moment.
struct ProgressState {
  uint64_t files = 0;
  uint64_t bytes = 0;
  uint64_t there = 0;                   // Bytes that an earlier run had copied already.
  std::optional<uint64_t> total_bytes;  // Where it is known.
  absl::Duration elapsed;
};

// E.g. "1.5 GiB".
std::string FormatBytes(uint64_t bytes);

// One line of at most `columns` characters.
std::string FormatProgress(const ProgressState& state, size_t columns);

// E.g. "3 files, 1.5 GiB in 2.1s (731.4 MiB/s)".
std::string FormatSummary(const ProgressState& state);

// Counts, and while it is shown redraws one line on standard error, ten times a second. Any thread
// may call any method.
class Progress {
 public:
  // `shown`: standard error is a terminal, and the user wants to see it.
  explicit Progress(bool shown);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void AddFile() { ++files_; }
  void AddBytes(uint64_t bytes) { bytes_ += bytes; }
  void AddThere(uint64_t bytes) { there_ += bytes; }
  void SetTotal(uint64_t bytes) { total_bytes_ = bytes; }

  // Reports a message, clear of the line.
  void Say(std::string_view message);

  // Erases the line for good.
  void Hide();

  ProgressState state() const;

 private:
  void Draw();
  void Erase();

  static constexpr uint64_t kUnknown = UINT64_MAX;

  const absl::Time begun_;
  std::atomic<uint64_t> files_ = 0;
  std::atomic<uint64_t> bytes_ = 0;
  std::atomic<uint64_t> there_ = 0;
  std::atomic<uint64_t> total_bytes_ = kUnknown;

  std::mutex mutex_;
  bool shown_;          // Guarded by mutex_, as is
  bool drawn_ = false;  // whether there is a line.
  std::condition_variable hidden_;
  std::thread thread_;
};

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_COPY_PROGRESS_H_
