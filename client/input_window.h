// How much input the node has room for.
//
//   writer: Reserve() ──▶ sends ──▶ node ──▶ command
//   reader: Acknowledge(offset) ◀── input_ack ◀── what the command was given
//
// Never more than the window is on its way, so no write to the stream ever stalls on flow control,
// and a signal always gets through.
#ifndef NACRE_CLIENT_INPUT_WINDOW_H_
#define NACRE_CLIENT_INPUT_WINDOW_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace nacre::client {

// Thread-safe. Reserve() belongs to one thread at a time.
class InputWindow {
 public:
  // Bytes of one message at most; 64 to 256 KiB is where a gRPC stream is fastest.
  static constexpr size_t kMessageBytes = 256 << 10;

  struct Grant {
    uint64_t offset = 0;  // Of the first byte.
    size_t bytes = 0;
  };

  // The command runs: input from `offset` on may be sent, up to `window` bytes ahead.
  void Open(uint64_t offset, uint64_t window);

  // The command was given everything before `offset`. INTERNAL if that was never sent.
  absl::Status Acknowledge(uint64_t offset);

  // No input can be sent any more: waiters and later calls get `reason`. The first reason stays.
  void Close(absl::Status reason);

  // Waits for the window to open and for room; grants at most `wanted` bytes, 0 only if 0 are
  // wanted.
  absl::StatusOr<Grant> Reserve(size_t wanted);

 private:
  bool HasRoom(size_t wanted) const;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  bool open_ = false;
  absl::Status closed_;
  uint64_t sent_ = 0;
  uint64_t acknowledged_ = 0;
  uint64_t window_ = 0;
};

}  // namespace nacre::client

#endif  // NACRE_CLIENT_INPUT_WINDOW_H_
