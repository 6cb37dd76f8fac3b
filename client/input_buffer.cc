#include "client/input_buffer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace nacre::client {

absl::Status InputBuffer::Open(uint64_t offset, uint64_t window) {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(open_, true)) begin_ = offset;
  if (offset < begin_) {
    return absl::InternalError(absl::StrCat("the node asks for input from ", offset,
                                            " on, and has had what comes before ", begin_));
  }
  if (window == 0 && closed_.ok()) {
    closed_ = absl::FailedPreconditionError("the command takes no more input");
  }
  if (offset > end() && closed_.ok()) {
    closed_ = absl::FailedPreconditionError("another caller has written the input");
  }
  DropBefore(offset);
  // Until an input_ack says how much of it the command was given.
  sent_ = acknowledged_ = offset;
  acknowledged_is_known_ = false;
  window_ = window;
  eof_sent_ = false;
  changed_.notify_all();
  return absl::OkStatus();
}

absl::Status InputBuffer::Acknowledge(uint64_t offset) {
  const std::lock_guard lock(mutex_);
  if (offset > sent_) {
    return absl::InternalError(absl::StrCat(
        "the node acknowledges input that it was never sent: ", offset, " of ", sent_));
  }
  acknowledged_ = acknowledged_is_known_ ? std::max(acknowledged_, offset) : offset;
  acknowledged_is_known_ = true;
  DropBefore(offset);
  changed_.notify_all();
  return absl::OkStatus();
}

void InputBuffer::Close(absl::Status reason) {
  const std::lock_guard lock(mutex_);
  if (closed_.ok()) closed_ = std::move(reason);
  changed_.notify_all();
}

absl::StatusOr<size_t> InputBuffer::Add(std::string_view data) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !Refusal().ok() || (open_ && HasRoom(data.size())); });
  if (absl::Status refusal = Refusal(); !refusal.ok()) return refusal;
  const uint64_t room = acknowledged_ + window_ - end();
  const size_t taken = std::min<uint64_t>({data.size(), kMessageBytes, room});
  bytes_.append(data.data(), taken);
  return taken;
}

absl::Status InputBuffer::AddEof() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !Refusal().ok() || open_; });
  if (absl::Status refusal = Refusal(); !refusal.ok()) return refusal;
  eof_ = true;
  return absl::OkStatus();
}

std::optional<v1::Input> InputBuffer::Take() {
  const std::lock_guard lock(mutex_);
  if (!open_ || !closed_.ok()) return std::nullopt;
  v1::Input input;
  input.set_offset(sent_);
  const uint64_t limit = std::min(end(), acknowledged_ + window_);
  if (sent_ < limit) {
    const size_t bytes = std::min<uint64_t>(limit - sent_, kMessageBytes);
    input.set_data(bytes_.data() + dropped_ + (sent_ - begin_), bytes);
    sent_ += bytes;
    return input;
  }
  if (sent_ != end() || !eof_ || std::exchange(eof_sent_, true)) return std::nullopt;
  input.set_eof(true);
  return input;
}

// Waits for half a window rather than filling every crack with a tiny message.
bool InputBuffer::HasRoom(size_t wanted) const {
  const uint64_t limit = acknowledged_ + window_;
  const uint64_t half = std::max<uint64_t>(window_ / 2, 1);
  return limit >= end() + std::min<uint64_t>({wanted, kMessageBytes, half});
}

absl::Status InputBuffer::Refusal() const {
  return eof_ ? absl::FailedPreconditionError("the input was closed") : closed_;
}

void InputBuffer::DropBefore(uint64_t offset) {
  if (offset <= begin_) return;
  dropped_ += std::min<uint64_t>(offset, end()) - begin_;
  begin_ = offset;
  // Seldom enough that moving the rest costs nothing.
  if (dropped_ * 2 < bytes_.size()) return;
  bytes_.erase(0, dropped_);
  dropped_ = 0;
}

}  // namespace nacre::client
