#include "client/input_window.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace nacre::client {

void InputWindow::Open(uint64_t offset, uint64_t window) {
  const std::lock_guard lock(mutex_);
  open_ = true;
  sent_ = acknowledged_ = offset;
  window_ = window;
  changed_.notify_all();
}

absl::Status InputWindow::Acknowledge(uint64_t offset) {
  const std::lock_guard lock(mutex_);
  if (offset > sent_) {
    return absl::InternalError(absl::StrCat(
        "the node acknowledges input that it was never sent: ", offset, " of ", sent_));
  }
  acknowledged_ = std::max(acknowledged_, offset);
  changed_.notify_all();
  return absl::OkStatus();
}

void InputWindow::Close(absl::Status reason) {
  const std::lock_guard lock(mutex_);
  if (closed_.ok()) closed_ = std::move(reason);
  changed_.notify_all();
}

absl::StatusOr<InputWindow::Grant> InputWindow::Reserve(size_t wanted) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !closed_.ok() || (open_ && HasRoom(wanted)); });
  if (!closed_.ok()) return closed_;
  const uint64_t room = acknowledged_ + window_ - sent_;
  const Grant grant{.offset = sent_, .bytes = std::min<uint64_t>({wanted, kMessageBytes, room})};
  sent_ += grant.bytes;
  return grant;
}

// Waits for half a window rather than filling every crack with a tiny message.
bool InputWindow::HasRoom(size_t wanted) const {
  const uint64_t half = std::max<uint64_t>(window_ / 2, 1);
  return acknowledged_ + window_ - sent_ >= std::min<uint64_t>({wanted, kMessageBytes, half});
}

}  // namespace nacre::client
