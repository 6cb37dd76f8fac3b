#include "client/file_watch.h"

#include <utility>

#include "client/status.h"

namespace nacre::client {

FileWatch::Impl::Impl(std::shared_ptr<const FileCalls> calls, const std::string& path)
    : calls_(std::move(calls)), reopening_(calls_->connection) {
  *request_.mutable_path() = calls_->Path(path);
  request_.set_run_as(calls_->options.run_as);
}

FileWatch::Impl::~Impl() { CloseStream(); }

absl::StatusOr<WatchEvent> FileWatch::Impl::Next() {
  if (failed_.ok() && stream_ == nullptr) return OpenFirst();
  while (failed_.ok()) {
    if (stream_->Read(&response_)) {
      had_events_ = true;
      if (response_.has_file()) return FromWire(response_.file());
      if (response_.has_overflow()) return WatchOverflow{};
      continue;  // Something that this release does not know.
    }
    const absl::Status status = FromGrpc(stream_->Finish());
    stream_.reset();
    if (IsAbandoned()) {
      failed_ = absl::CancelledError("the call was abandoned");
    } else if (IsConnectionLoss(status)) {
      return OpenAgain(status);
    } else {
      failed_ =
          status.ok() ? absl::InternalError("the node ended the watch without a reason") : status;
    }
  }
  return failed_;
}

absl::StatusOr<WatchEvent> FileWatch::Impl::OpenFirst() {
  failed_ = reopening_.Open([this] { return Begin(); });
  if (!failed_.ok()) return failed_;
  return Watching{};
}

absl::StatusOr<WatchEvent> FileWatch::Impl::OpenAgain(const absl::Status& cause) {
  failed_ = reopening_.OpenAgain(cause, had_events_, [this] { return Begin(); });
  if (!failed_.ok()) return failed_;
  return WatchOverflow{};
}

// Opens a stream and waits until it watches.
grpc::Status FileWatch::Impl::Begin() {
  CloseStream();
  {
    const std::lock_guard lock(mutex_);
    if (abandoned_) return {grpc::StatusCode::CANCELLED, "the call was abandoned"};
    context_ = std::make_unique<grpc::ClientContext>();
    stream_ = calls_->stub->WatchFile(context_.get(), request_);
  }
  had_events_ = false;
  if (stream_->Read(&response_)) return grpc::Status::OK;
  grpc::Status status = stream_->Finish();
  stream_.reset();
  if (!status.ok()) return status;
  return {grpc::StatusCode::INTERNAL, "the node ended the watch before it began"};
}

void FileWatch::Impl::CloseStream() {
  if (stream_ == nullptr) return;
  {
    const std::lock_guard lock(mutex_);
    context_->TryCancel();
  }
  (void)stream_->Finish();
  stream_.reset();
}

void FileWatch::Impl::Abandon() {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  if (context_ != nullptr) context_->TryCancel();
}

bool FileWatch::Impl::IsAbandoned() {
  const std::lock_guard lock(mutex_);
  return abandoned_;
}

FileWatch::FileWatch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FileWatch::~FileWatch() = default;

absl::StatusOr<WatchEvent> FileWatch::Next() { return impl_->Next(); }
void FileWatch::Abandon() { impl_->Abandon(); }

}  // namespace nacre::client
