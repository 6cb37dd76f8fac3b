#include "compat/reply_sender.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <asio/post.hpp>

namespace nacre::compat {
namespace {

// Pieces of bytes in one system call.
constexpr size_t kGather = 8;
// What a disk thread sends before it lets others have a turn.
constexpr uint64_t kFileTurn = 8 * 1024 * 1024;

}  // namespace

std::shared_ptr<ReplySender> ReplySender::Send(Services& services,
                                               asio::posix::stream_descriptor& socket, Reply reply,
                                               Events events) {
  std::shared_ptr<ReplySender> sender(
      new ReplySender(services, socket, std::move(reply), std::move(events)));
  sender->Continue();
  return sender;
}

ReplySender::ReplySender(Services& services, asio::posix::stream_descriptor& socket, Reply reply,
                         Events events)
    : services_(services), socket_(socket), reply_(std::move(reply)), events_(std::move(events)) {}

void ReplySender::Continue() {
  if (stopped_) return;
  if (piece_ == reply_.pieces.size()) {
    End(true);
  } else if (reply_.pieces[piece_].file.valid()) {
    StartFileTurn();
  } else {
    SendBytes();
  }
}

void ReplySender::SendBytes() {
  iovec parts[kGather];
  size_t count = 0;
  size_t next = piece_;
  for (; next < reply_.pieces.size() && count < kGather; ++next, ++count) {
    const Reply::Piece& piece = reply_.pieces[next];
    if (piece.file.valid()) break;
    const size_t skip = next == piece_ ? offset_ : 0;
    parts[count] = {const_cast<char*>(piece.bytes.data()) + skip, piece.bytes.size() - skip};
  }
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = count;
  const bool more = next < reply_.pieces.size();
  const ssize_t sent =
      sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
  OnSent(sent > 0 ? static_cast<uint64_t>(sent) : 0, sent < 0 ? errno : 0);
}

void ReplySender::StartFileTurn() {
  UniqueFd socket(fcntl(socket_.native_handle(), F_DUPFD_CLOEXEC, 0));
  if (!socket.valid()) {
    End(false);
    return;
  }
  asio::post(services_.disk, [self = shared_from_this(), socket = std::move(socket)]() mutable {
    const FileTurn turn = SendFile(socket.get(), self->reply_.pieces[self->piece_], self->offset_);
    socket.reset();
    asio::io_context& loop = self->services_.loop;
    asio::post(loop, [self = std::move(self), turn] {
      if (!self->stopped_) self->OnSent(turn.sent, turn.error);
    });
  });
}

ReplySender::FileTurn ReplySender::SendFile(int socket, const Reply::Piece& piece,
                                            uint64_t offset) {
  FileTurn turn{.sent = 0, .error = 0};
  while (turn.sent < kFileTurn && offset + turn.sent < piece.file_bytes) {
    auto at = static_cast<off_t>(offset + turn.sent);
    const ssize_t sent = sendfile(socket, piece.file.get(), &at,
                                  std::min(piece.file_bytes - offset - turn.sent, kFileTurn));
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) {
      turn.error = sent < 0 ? errno : EIO;
      break;
    }
    turn.sent += static_cast<uint64_t>(sent);
  }
  return turn;
}

// Enters what was sent and goes on: at once, when the socket takes more, or not at all.
void ReplySender::OnSent(uint64_t sent, int error) {
  offset_ += sent;
  while (piece_ < reply_.pieces.size()) {
    const Reply::Piece& piece = reply_.pieces[piece_];
    const uint64_t size = piece.file.valid() ? piece.file_bytes : piece.bytes.size();
    if (offset_ < size) break;
    offset_ -= size;
    ++piece_;
  }
  if (sent > 0) events_.on_progress();
  if (stopped_) return;
  if (error != 0 && error != EAGAIN && error != EINTR) {
    End(false);
  } else if (error == 0 && piece_ < reply_.pieces.size() && reply_.pieces[piece_].file.valid()) {
    StartFileTurn();
  } else if (piece_ == reply_.pieces.size()) {
    End(true);
  } else {
    socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                       [self = shared_from_this()](std::error_code wait_error) {
                         if (!wait_error) self->Continue();
                       });
  }
}

void ReplySender::End(bool ok) {
  asio::post(services_.loop, [self = shared_from_this(), ok] {
    if (!self->stopped_) self->events_.on_done(ok);
  });
}

}  // namespace nacre::compat
