#include "server/write_file_reactor.h"

#include <asio/post.hpp>
#include <utility>

#include "executor/errors.h"
#include "executor/file_error.h"
#include "server/file_translate.h"
#include "server/status.h"

namespace nacre {
namespace {

constexpr uint32_t kDefaultMode = 0644, kPermissionBits = 0777;

}  // namespace

WriteFileReactor::WriteFileReactor(asio::io_context& loop, Executor& executor, IoPool& pool,
                                   const Identity& identity, v1::WriteFileResponse* response)
    : loop_(loop), executor_(executor), pool_(pool), identity_(identity), response_(response) {
  StartRead(&incoming_);
}

// --- opening ------------------------------------------------------------------------------------

void WriteFileReactor::Open() {
  if (!work_.has_start()) {
    OnOpened(InvalidField("start", "must be in the first request"));
    return;
  }
  start_ = work_.start();
  auto asked = ToFileRequest(start_);
  if (!asked.ok()) {
    OnOpened(asked.status());
    return;
  }
  executor_.files().Do(identity_, *std::move(asked), [this](absl::StatusOr<Files::Answer> answer) {
    OnOpened(std::move(answer));
  });
}

void WriteFileReactor::OnOpened(absl::StatusOr<Files::Answer> answer) {
  if (!answer.ok()) {
    Finished(answer.status());
    return;
  }
  call_ = std::move(answer->call);
  const files::v1::Reply& reply = answer->reply.reply;
  upload_ = reply.upload();
  mode_ = reply.has_entry() ? reply.entry().mode() & kPermissionBits : kDefaultMode;
  if (start_.has_mode()) mode_ = *ToMode(start_.mode(), start_.special_bits());
  sink_ = std::make_unique<FileSink>(std::move(answer->reply.fd), start_.offset(), call_.request,
                                     stop_);
  const absl::Status status = executor_.files().Add(this, call_.user);
  if (status.ok()) {
    Advance([this] { opened_ = true; });
    // What came with the start.
    pool_.Post(call_.user, [this] { Write(); });
    return;
  }
  Advance([this, &status] {
    opened_ = true;
    busy_ = false;
    error_.Update(status);
  });
}

// --- writing ------------------------------------------------------------------------------------

absl::Status WriteFileReactor::Take() {
  absl::Status status;
  if (!std::exchange(checked_, true)) status = sink_->Check();
  if (status.ok() && !work_.data().empty()) status = sink_->Write(work_.data());
  if (status.ok() && work_.hole() > 0) status = sink_->Hole(work_.hole());
  if (status.ok() && work_.has_finish()) {
    status = sink_->Finish(work_.finish(), start_.sync() != v1::FILE_SYNC_NONE);
  }
  bytes_ = sink_->size() - start_.offset();
  return status;
}

void WriteFileReactor::Write() {
  const absl::Status status = Take();
  if (status.ok() && work_.has_finish() && !failed()) {
    asio::post(loop_, [this] { Commit(); });
  } else {
    Finished(status);
  }
}

bool WriteFileReactor::failed() {
  const absl::MutexLock lock(&mutex_);
  return !error_.ok();
}

void WriteFileReactor::Commit() {
  files::v1::Request request;
  request.mutable_commit()->set_upload(upload_);
  request.mutable_commit()->set_mode(mode_);
  if (start_.has_modify_time()) {
    *request.mutable_commit()->mutable_modified() = *ToTime(start_.modify_time(), "");
  }
  call_.helper->Call(std::move(request), [this](absl::StatusOr<FileReply> reply) {
    absl::Status status = reply.status();
    if (status.ok()) status = FileError(reply->reply, call_.request);
    if (status.ok()) {
      upload_ = 0;
      *response_->mutable_file() = ToFile(reply->reply.entry());
    }
    Advance([this, &status] {
      done_ = status.ok();
      error_.Update(status);
      busy_ = false;
    });
  });
}

// Once nothing is left of it, or only what may be wanted again, the caller hears of its end.
void WriteFileReactor::Discard() {
  sink_.reset();
  asio::post(loop_, [this] {
    files::v1::Request request;
    request.mutable_discard()->set_upload(std::exchange(upload_, 0));
    {
      const absl::MutexLock lock(&mutex_);
      request.mutable_discard()->set_keep(lost_);
    }
    call_.helper->Call(std::move(request),
                       [this](const absl::StatusOr<FileReply>&) { Finished(absl::OkStatus()); });
  });
}

void WriteFileReactor::Finished(const absl::Status& status) {
  Advance([this, &status] {
    error_.Update(status);
    busy_ = false;
  });
}

// --- what comes next ----------------------------------------------------------------------------

WriteFileReactor::Step WriteFileReactor::NextStep() {
  if (ended_ || busy_) return Step::kNone;
  if (!error_.ok() || done_) {
    if (opened_ && !done_ && !std::exchange(discarded_, true)) {
      busy_ = true;
      return Step::kDiscard;
    }
    ended_ = true;
    return Step::kFinish;
  }
  if (has_incoming_) {
    std::swap(incoming_, work_);
    has_incoming_ = false;
    busy_ = true;
    finish_taken_ = work_.has_finish();
    return std::exchange(start_taken_, true) ? Step::kWrite : Step::kOpen;
  }
  if (half_closed_) {
    error_ = InvalidField("finish", "the stream ended before it");
    lost_ = true;
    return NextStep();
  }
  return Step::kNone;
}

// As ReadFileReactor::Advance.
void WriteFileReactor::Advance(const std::function<void()>& change) {
  {
    const absl::MutexLock lock(&mutex_);
    change();
    if (!error_.ok()) stop_ = true;
    if (std::exchange(advancing_, true)) {
      again_ = true;
      return;
    }
  }
  for (;;) {
    Step step;
    bool read = false;
    absl::Status error;
    {
      const absl::MutexLock lock(&mutex_);
      step = NextStep();
      error = done_ ? absl::OkStatus() : error_;
      // The one after `finish` is read too, to see that there is none.
      if (!ended_ && !reading_ && !has_incoming_ && !half_closed_) read = reading_ = true;
      if (step == Step::kNone && !read && !std::exchange(again_, false)) {
        advancing_ = false;
        return;
      }
    }
    if (read) StartRead(&incoming_);
    switch (step) {
      case Step::kNone:
        break;
      case Step::kOpen:
        asio::post(loop_, [this] { Open(); });
        break;
      case Step::kWrite:
        pool_.Post(call_.user, [this] { Write(); });
        break;
      case Step::kDiscard:
        pool_.Post(call_.user, [this] { Discard(); });
        break;
      case Step::kFinish:
        Finish(ToGrpcStatus(error));
        return;
    }
  }
}

void WriteFileReactor::OnReadDone(bool ok) {
  Advance([this, ok] {
    reading_ = false;
    half_closed_ = !ok;
    has_incoming_ = ok;
    if (!ok || !start_taken_) return;
    if (incoming_.has_start()) error_.Update(InvalidField("start", "came a second time"));
    if (finish_taken_) error_.Update(InvalidField("finish", "is not in the last request"));
  });
}

void WriteFileReactor::Fail(const absl::Status& why) {
  Advance([this, &why] {
    if (error_.ok()) lost_ = true;
    error_.Update(why);
  });
}

void WriteFileReactor::OnCancel() { Fail(absl::CancelledError("the call was cancelled")); }

void WriteFileReactor::Abort(const absl::Status& why) { Fail(why); }

void WriteFileReactor::OnDone() {
  asio::post(loop_, [this] {
    executor_.files().Remove(this);
    absl::Status error;
    {
      const absl::MutexLock lock(&mutex_);
      if (!done_) error = error_;
    }
    executor_.files().AuditEnd(call_, error, bytes_);
    pool_.Post(call_.user,
               [sink = std::shared_ptr<FileSink>(std::move(sink_))]() mutable { sink.reset(); });
    delete this;
  });
}

}  // namespace nacre
