#include "client/file_writer.h"

#include <algorithm>
#include <utility>

#include "client/status.h"

namespace nacre::client {

FileWriter::Impl::Impl(std::shared_ptr<const FileCalls> calls, const std::string& path,
                       const WriteOptions& options)
    : calls_(std::move(calls)), path_(path), options_(options) {
  *pending_.mutable_start() = ToWire(path, calls_->options, options);
}

FileWriter::Impl::~Impl() {
  if (stream_ == nullptr) return;
  context_->TryCancel();
  (void)stream_->Finish();
}

absl::Status FileWriter::Impl::Write(std::string_view data) {
  hash_.Add(data);
  while (failed_.ok() && !data.empty()) {
    if (pending_.hole() > 0 || pending_.data().size() == kChunkBytes) failed_ = Send();
    const size_t some = std::min(data.size(), kChunkBytes - pending_.data().size());
    pending_.mutable_data()->append(data.substr(0, some));
    data.remove_prefix(some);
  }
  return failed_;
}

absl::Status FileWriter::Impl::Hole(uint64_t bytes) {
  hash_.AddHole(bytes);
  pending_.set_hole(pending_.hole() + bytes);  // After its data.
  return failed_;
}

absl::StatusOr<FileInfo> FileWriter::Impl::Finish() {
  if (!failed_.ok()) return failed_;
  pending_.mutable_finish()->set_size(hash_.bytes());
  pending_.mutable_finish()->set_xxh3_128(hash_.Canonical());
  if (stream_ != nullptr) {
    (void)stream_->Write(pending_, grpc::WriteOptions().set_last_message());
    failed_ = FromGrpc(EndStream());
  } else {
    int attempts = 0;
    failed_ = calls_->connection.Repeat([&](grpc::ClientContext* context) {
      ++attempts;
      return End(context);
    });
    if (attempts > 1 && absl::IsAlreadyExists(failed_)) {
      return calls_->FindWritten(path_, options_, hash_.bytes(), failed_);
    }
  }
  if (!failed_.ok()) return failed_;
  failed_ = absl::FailedPreconditionError("the file is finished");
  return FromWire(response_.file());
}

// Sends what is pending, which is not the last of it.
absl::Status FileWriter::Impl::Send() {
  if (stream_ == nullptr) {
    absl::Status connected = calls_->connection.Repeat(
        [](grpc::ClientContext* /*context*/) { return grpc::Status::OK; });
    if (!connected.ok()) return connected;
    context_ = std::make_unique<grpc::ClientContext>();
    stream_ = calls_->stub->WriteFile(context_.get(), &response_);
  }
  const bool sent = stream_->Write(pending_);
  pending_.Clear();
  if (sent) return absl::OkStatus();
  const absl::Status status = FromGrpc(EndStream());
  return status.ok() ? absl::InternalError("the node took the file for finished") : status;
}

// The whole file in one message.
grpc::Status FileWriter::Impl::End(grpc::ClientContext* context) {
  context->set_initial_metadata_corked(true);
  const auto stream = calls_->stub->WriteFile(context, &response_);
  (void)stream->Write(pending_, grpc::WriteOptions().set_last_message());
  return stream->Finish();
}

grpc::Status FileWriter::Impl::EndStream() {
  grpc::Status status = stream_->Finish();
  stream_.reset();
  return status;
}

FileWriter::FileWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FileWriter::~FileWriter() = default;

absl::Status FileWriter::Write(std::string_view data) { return impl_->Write(data); }
absl::Status FileWriter::Hole(uint64_t bytes) { return impl_->Hole(bytes); }
absl::StatusOr<FileInfo> FileWriter::Finish() { return impl_->Finish(); }

}  // namespace nacre::client
