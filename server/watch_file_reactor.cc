#include "server/watch_file_reactor.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <asio/post.hpp>
#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "executor/file_error.h"
#include "server/file_events.h"
#include "server/file_translate.h"
#include "server/status.h"

namespace nacre {
namespace {

bool IsInotify(int fd) {
  std::array<char, 64> name{};
  const std::string path = absl::StrCat("/proc/self/fd/", fd);
  return fd >= 0 && readlink(path.c_str(), name.data(), name.size() - 1) > 0 &&
         std::string(name.data()) == "anon_inode:inotify";
}

}  // namespace

WatchFileReactor::WatchFileReactor(asio::io_context& loop, Executor& executor,
                                   const Identity& identity, const v1::WatchFileRequest& request)
    : loop_(loop), executor_(executor), request_(request), events_(loop) {
  asio::post(loop_, [this, &identity] { Open(identity); });
}

void WatchFileReactor::Open(const Identity& identity) {
  auto asked = ToFileRequest(request_);
  if (!asked.ok()) {
    opening_ = false;
    End(asked.status());
    return;
  }
  executor_.files().Do(identity, *std::move(asked), [this](absl::StatusOr<Files::Answer> answer) {
    opening_ = false;
    if (answer.ok()) {
      OnOpened(*std::move(answer));
    } else {
      End(answer.status());
    }
  });
}

void WatchFileReactor::OnOpened(Files::Answer answer) {
  call_ = std::move(answer.call);
  UniqueFd fd = std::move(answer.reply.fd);
  if (!error_.ok()) {
    End(error_);
    return;
  }
  std::error_code error;
  // Anything else could hang.
  if (!IsInotify(fd.get())) {
    error = std::make_error_code(std::errc::invalid_argument);
  } else {
    fcntl(fd.get(), F_SETFL, O_NONBLOCK);
    events_.assign(fd.get(), error);
  }
  absl::Status status;
  if (error) {
    status = FileError(EINVAL, call_.request);
  } else {
    (void)fd.release();
    status = executor_.files().Add(this, call_.user);
  }
  if (!status.ok()) {
    End(status);
    return;
  }
  queue_.emplace_back().mutable_watching();
  Advance();
}

void WatchFileReactor::AwaitEvents() {
  awaiting_ = true;
  events_.async_wait(asio::posix::stream_descriptor::wait_read, [this](std::error_code error) {
    awaiting_ = false;
    if (ended_ || !error_.ok()) {
      End(error_);
    } else if (error) {
      End(FileError(EINVAL, call_.request));
    } else {
      ReadEvents();
    }
  });
}

void WatchFileReactor::ReadEvents() {
  std::array<char, 16 * 1024> buffer;
  const ssize_t got = read(events_.native_handle(), buffer.data(), buffer.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
    AwaitEvents();
    return;
  }
  FileEvents read;
  if (got > 0) read = ToFileEvents({buffer.data(), static_cast<size_t>(got)});
  if (read.over || read.events.empty()) {
    error_ = FileError(absl::StatusCode::kFailedPrecondition, "WATCH_ENDED",
                       "it was removed, moved away or unmounted", call_.request);
  }
  std::move(read.events.begin(), read.events.end(), std::back_inserter(queue_));
  Advance();
}

// Writes what there is, then waits for more, or ends.
void WatchFileReactor::Advance() {
  if (ended_ || writing_ || opening_) return;
  if (!queue_.empty()) {
    writing_ = true;
    StartWrite(&queue_.front());
  } else if (!error_.ok()) {
    End(error_);
  } else if (!awaiting_) {
    AwaitEvents();
  }
}

// Ends the call once nothing is on its way that would come back here.
void WatchFileReactor::End(const absl::Status& status) {
  if (error_.ok()) error_ = status;
  if (awaiting_) {
    events_.cancel();
    return;
  }
  if (opening_ || writing_ || std::exchange(ended_, true)) return;
  Finish(ToGrpcStatus(error_));
}

void WatchFileReactor::OnWriteDone(bool ok) {
  asio::post(loop_, [this, ok] {
    writing_ = false;
    queue_.pop_front();
    if (!ok) queue_.clear();
    if (!ok && error_.ok()) error_ = absl::CancelledError("the caller is gone");
    Advance();
  });
}

void WatchFileReactor::OnCancel() {
  asio::post(loop_, [this] { End(absl::CancelledError("the call was cancelled")); });
}

void WatchFileReactor::Abort(const absl::Status& why) { End(why); }

void WatchFileReactor::OnDone() {
  asio::post(loop_, [this] {
    executor_.files().Remove(this);
    executor_.files().AuditEnd(call_, error_, 0);
    delete this;
  });
}

}  // namespace nacre
