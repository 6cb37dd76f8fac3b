#include "server/read_file_reactor.h"

#include <asio/post.hpp>
#include <utility>

#include "server/file_translate.h"
#include "server/status.h"

namespace nacre {

ReadFileReactor::ReadFileReactor(asio::io_context& loop, Executor& executor, IoPool& pool,
                                 const Identity& identity, const v1::ReadFileRequest& request)
    : loop_(loop), executor_(executor), pool_(pool), request_(request) {
  asio::post(loop_, [this, &identity] { Open(identity); });
}

void ReadFileReactor::Open(const Identity& identity) {
  auto asked = ToFileRequest(request_);
  if (!asked.ok()) {
    OnOpened(asked.status());
    return;
  }
  executor_.files().Do(identity, *std::move(asked), [this](absl::StatusOr<Files::Answer> answer) {
    OnOpened(std::move(answer));
  });
}

void ReadFileReactor::OnOpened(absl::StatusOr<Files::Answer> answer) {
  absl::Status status = answer.status();
  if (answer.ok()) {
    call_ = std::move(answer->call);
    source_ = std::make_shared<FileSource>(std::move(answer->reply.fd), answer->reply.reply.entry(),
                                           request_, call_.request);
    status = executor_.files().Add(this, call_.user);
  }
  Advance([this, &status] {
    error_.Update(status);
    filling_ = false;
  });
}

void ReadFileReactor::Fill() {
  absl::Status status;
  if (!std::exchange(checked_, true)) status = source_->Check();
  if (status.ok()) status = source_->Next(&next_);
  Advance([this, &status] {
    error_.Update(status);
    filling_ = false;
    filled_ = status.ok();
  });
}

ReadFileReactor::Step ReadFileReactor::NextStep() {
  if (ended_) return Step::kNone;
  if (!error_.ok()) {
    if (filling_ || writing_) return Step::kNone;
    ended_ = true;
    return Step::kFinish;
  }
  if (filled_ && !writing_) {
    std::swap(sent_, next_);
    filled_ = false;
    writing_ = true;
    ended_ = sent_.has_end();
    return ended_ ? Step::kWriteLast : Step::kWrite;
  }
  if (!filling_ && !filled_) {
    filling_ = true;
    return Step::kFill;
  }
  return Step::kNone;
}

// One thread at a time makes steps, and comes back for what others have brought meanwhile. Who only
// brings something, and who has made the last step, touches nothing more: this may be gone.
void ReadFileReactor::Advance(const std::function<void()>& change) {
  {
    const absl::MutexLock lock(&mutex_);
    change();
    if (std::exchange(advancing_, true)) {
      again_ = true;
      return;
    }
  }
  for (;;) {
    Step step;
    absl::Status error;
    {
      const absl::MutexLock lock(&mutex_);
      step = NextStep();
      error = error_;
      if (step == Step::kNone && !std::exchange(again_, false)) {
        advancing_ = false;
        return;
      }
    }
    switch (step) {
      case Step::kNone:
        break;
      case Step::kFill:
        pool_.Post(call_.user, [this] { Fill(); });
        break;
      case Step::kWrite:
        StartWrite(&sent_);
        break;
      case Step::kWriteLast:
        StartWriteAndFinish(&sent_, grpc::WriteOptions(), grpc::Status::OK);
        return;
      case Step::kFinish:
        Finish(ToGrpcStatus(error));
        return;
    }
  }
}

void ReadFileReactor::OnWriteDone(bool ok) {
  Advance([this, ok] {
    writing_ = false;
    if (!ok) error_.Update(absl::CancelledError("the caller is gone"));
  });
}

void ReadFileReactor::OnCancel() { Abort(absl::CancelledError("the call was cancelled")); }

void ReadFileReactor::Abort(const absl::Status& why) {
  Advance([this, &why] { error_.Update(why); });
}

void ReadFileReactor::OnDone() {
  asio::post(loop_, [this] {
    executor_.files().Remove(this);
    absl::Status error;
    {
      const absl::MutexLock lock(&mutex_);
      error = error_;
    }
    executor_.files().AuditEnd(call_, error, source_ != nullptr ? source_->bytes() : 0);
    pool_.Post(call_.user, [source = std::move(source_)]() mutable { source.reset(); });
    delete this;
  });
}

}  // namespace nacre
