// Input on its way to the command.
//
//   writer: Add() ──▶ kept here ──▶ Take() ──▶ node ──▶ command
//   reader: Acknowledge(offset) ◀── input_ack ◀── what the command was given
//
// Never more than the node's window is on its way, so no write to the stream ever stalls on flow
// control, and a signal always gets through. What the node may not have got yet is kept, and sent
// again on the next stream.
#ifndef NACRE_CLIENT_INPUT_BUFFER_H_
#define NACRE_CLIENT_INPUT_BUFFER_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nacre/v1/shell.pb.h"

namespace nacre::client {

// Thread-safe. Add() and AddEof() belong to one thread at a time, as does Take().
class InputBuffer {
 public:
  // Bytes of one message at most; 64 to 256 KiB is where a gRPC stream is fastest.
  static constexpr size_t kMessageBytes = 256 << 10;

  // A stream, the first or a later one, is there: the node expects `offset` next and takes `window`
  // bytes beyond what the command was given. INTERNAL if it asks for bytes that it had before.
  absl::Status Open(uint64_t offset, uint64_t window);

  // The command was given everything before `offset`. INTERNAL if that was never sent.
  absl::Status Acknowledge(uint64_t offset);

  // No input can be sent any more: waiters and later calls get `reason`. The first reason stays.
  void Close(absl::Status reason);

  // Waits for a stream and for room; returns how many bytes of `data` were taken, at least 1.
  absl::StatusOr<size_t> Add(std::string_view data);

  // Waits for a stream; nothing can be added afterwards.
  absl::Status AddEof();

  // The next message for the stream, if there is any now.
  std::optional<v1::Input> Take();

 private:
  bool HasRoom(size_t wanted) const;
  absl::Status Refusal() const;
  uint64_t end() const { return begin_ + bytes_.size() - dropped_; }
  void DropBefore(uint64_t offset);

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  bool open_ = false;
  absl::Status closed_;
  std::string bytes_;  // The first `dropped_` are done with, the next one has offset `begin_`.
  size_t dropped_ = 0;
  uint64_t begin_ = 0;
  uint64_t sent_ = 0;
  uint64_t acknowledged_ = 0;
  bool acknowledged_is_known_ = false;  // By an input_ack of this stream.
  uint64_t window_ = 0;
  bool eof_ = false;
  bool eof_sent_ = false;
};

}  // namespace nacre::client

#endif  // NACRE_CLIENT_INPUT_BUFFER_H_
