#include "executor/file_helper.h"

#include <asio/post.hpp>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/seqpacket.h"
#include "executor/errors.h"

namespace nacre {
namespace {

// Answers taken in one turn of the loop.
constexpr int kRepliesPerTurn = 32;
// How long it may be silent while something waits for it.
constexpr auto kPatience = std::chrono::seconds(60);

absl::Status HelperLost() {
  return MakeError(absl::StatusCode::kUnavailable, "FILE_HELPER_LOST",
                   "the process that opens files for this user is gone; call again");
}

}  // namespace

FileHelper::FileHelper(asio::io_context& loop, UniqueFd channel)
    : channel_(loop, channel.release()), patience_(loop) {}

void FileHelper::Run() { AwaitReadable(); }

void FileHelper::Call(files::v1::Request request, Done done) {
  if (lost_) {
    asio::post(channel_.get_executor(), [done = std::move(done)] { done(HelperLost()); });
    return;
  }
  request.set_id(next_id_);
  waiting_.emplace(next_id_++, std::move(done));
  if (waiting_.size() == 1) ArmPatience();
  queue_.push_back(request.SerializeAsString());
  if (queue_.size() == 1) SendQueued();
}

void FileHelper::SendQueued() {
  while (!queue_.empty()) {
    const absl::Status status = seqpacket::Send(channel_.native_handle(), queue_.front());
    if (absl::IsUnavailable(status)) break;
    if (!status.ok()) {
      // Not from within a call: who calls does not expect an answer yet.
      asio::post(channel_.get_executor(),
                 [self = shared_from_this()] { self->Lose("can't hear"); });
      return;
    }
    queue_.pop_front();
  }
  if (queue_.empty()) return;
  channel_.async_wait(asio::posix::stream_descriptor::wait_write,
                      [weak = weak_from_this()](std::error_code error) {
                        if (auto self = weak.lock(); self != nullptr && !error) self->SendQueued();
                      });
}

void FileHelper::AwaitReadable() {
  channel_.async_wait(asio::posix::stream_descriptor::wait_read,
                      [weak = weak_from_this()](std::error_code error) {
                        if (auto self = weak.lock(); self != nullptr && !error) self->OnReadable();
                      });
}

void FileHelper::OnReadable() {
  for (int i = 0; i < kRepliesPerTurn; ++i) {
    auto received = seqpacket::Receive(channel_.native_handle());
    if (received.ok() && !received->has_value()) break;
    if (!received.ok()) {
      Lose("has ended");
      return;
    }
    seqpacket::Datagram& datagram = **received;
    files::v1::Reply reply;
    UniqueFd fd;
    if (!datagram.fds.empty()) fd = std::move(datagram.fds[0]);
    if (datagram.fds.size() > 1 || !reply.ParseFromString(datagram.bytes) ||
        !Answer(std::move(reply), std::move(fd))) {
      Lose("says what nobody asked");
      return;
    }
  }
  AwaitReadable();
}

bool FileHelper::Answer(files::v1::Reply reply, UniqueFd fd) {
  const auto it = waiting_.find(reply.id());
  if (it == waiting_.end()) return false;
  const Done done = std::move(it->second);
  waiting_.erase(it);
  ArmPatience();
  done(FileReply{.reply = std::move(reply), .fd = std::move(fd)});
  return true;
}

void FileHelper::ArmPatience() {
  if (waiting_.empty()) {
    patience_.cancel();
    return;
  }
  patience_.expires_after(kPatience);
  patience_.async_wait([weak = weak_from_this()](std::error_code error) {
    if (auto self = weak.lock(); self != nullptr && !error) self->Lose("does not answer");
  });
}

void FileHelper::Lose(const std::string& why) {
  if (std::exchange(lost_, true)) return;
  log::Warning("a file helper %s", why);
  std::error_code ignored;
  channel_.close(ignored);
  patience_.cancel();
  queue_.clear();
  for (auto& [id, done] : std::exchange(waiting_, {})) done(HelperLost());
}

}  // namespace nacre
