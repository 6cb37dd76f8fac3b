#include "client/file_reader.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/status.h"

namespace nacre::client {
namespace {

// Of a hole at once: hashing one takes its time, and between two the caller may leave.
constexpr uint64_t kHoleBytes = 1 << 30;

}  // namespace

FileReader::Impl::Impl(std::shared_ptr<const FileCalls> calls, const std::string& path,
                       const ReadOptions& options)
    : calls_(std::move(calls)), first_(options.offset), reopening_(calls_->connection) {
  *request_.mutable_path() = calls_->Path(path);
  request_.set_offset(options.offset);
  if (options.length.has_value()) request_.set_length(*options.length);
  request_.set_expected_version(options.expected_version);
  request_.set_accept_holes(options.accept_holes);
  request_.set_run_as(calls_->options.run_as);
}

FileReader::Impl::~Impl() { CloseStream(); }

absl::Status FileReader::Impl::Open() {
  absl::Status status = reopening_.Open([this] { return Begin(); });
  if (status.ok()) head_ = FromWire(response_.head());
  return status;
}

// Opens a stream and reads its first message.
grpc::Status FileReader::Impl::Begin() {
  CloseStream();
  context_ = std::make_unique<grpc::ClientContext>();
  stream_ = calls_->stub->ReadFile(context_.get(), request_);
  segment_ = FileHash();
  if (stream_->Read(&response_)) {
    if (response_.has_head()) return grpc::Status::OK;
    CloseStream();
    return {grpc::StatusCode::INTERNAL, "the node began to send a file without saying which"};
  }
  grpc::Status status = stream_->Finish();
  stream_.reset();
  if (!status.ok()) return status;
  return {grpc::StatusCode::DATA_LOSS, "the node sent nothing of the file"};
}

void FileReader::Impl::CloseStream() {
  if (stream_ == nullptr) return;
  context_->TryCancel();
  (void)stream_->Finish();
  stream_.reset();
}

absl::StatusOr<FileChunk> FileReader::Impl::Next() {
  while (failed_.ok() && !done_) {
    if (hole_left_ > 0) {
      auto chunk = TakeHole();
      failed_ = chunk.status();
      return chunk;
    }
    if (stream_->Read(&response_)) {
      auto chunk = Take();
      if (chunk.ok() && (done_ || !chunk->end())) return chunk;
      failed_ = chunk.status();
      continue;
    }
    absl::Status status = FromGrpc(stream_->Finish());
    stream_.reset();
    if (status.ok()) status = absl::DataLossError("the node broke off in the middle of the file");
    failed_ = IsConnectionLoss(status) ? Resume(status) : status;
  }
  if (!failed_.ok()) return failed_;
  return FileChunk{.offset = first_ + received_};
}

absl::Status FileReader::Impl::Resume(const absl::Status& cause) {
  const bool had_progress = segment_.bytes() > 0;
  if (!std::exchange(resumed_, true)) whole_ = segment_;
  request_.set_offset(first_ + received_);
  if (request_.has_length()) request_.set_length(request_.length() - segment_.bytes());
  request_.set_expected_version(head_.version);
  return reopening_.OpenAgain(cause, had_progress, [this] { return Begin(); });
}

// The part in `response_`.
absl::StatusOr<FileChunk> FileReader::Impl::Take() {
  FileChunk chunk{.offset = first_ + received_};
  switch (response_.part_case()) {
    case v1::ReadFileResponse::kData: {
      chunk.data = response_.data();
      if (absl::Status status = Enter(chunk.data.size()); !status.ok()) return status;
      segment_.Add(chunk.data);
      if (resumed_) whole_.Add(chunk.data);
      return chunk;
    }
    case v1::ReadFileResponse::kHole: {
      hole_left_ = response_.hole();
      return hole_left_ > 0 ? TakeHole() : chunk;
    }
    case v1::ReadFileResponse::kEnd:
      if (absl::Status status = Prove(response_.end()); !status.ok()) return status;
      done_ = true;
      return chunk;
    default:
      return chunk;  // Something that this release does not know, and needs not.
  }
}

absl::StatusOr<FileChunk> FileReader::Impl::TakeHole() {
  FileChunk chunk{.offset = first_ + received_, .hole = std::min(hole_left_, kHoleBytes)};
  if (absl::Status status = Enter(chunk.hole); !status.ok()) return status;
  hole_left_ -= chunk.hole;
  segment_.AddHole(chunk.hole);
  if (resumed_) whole_.AddHole(chunk.hole);
  return chunk;
}

// Counts them. More than was asked for, or than the file has, is no file's content.
absl::Status FileReader::Impl::Enter(uint64_t bytes) {
  const uint64_t left_of_length =
      request_.has_length() ? request_.length() - segment_.bytes() : UINT64_MAX;
  const uint64_t position = first_ + received_;
  const uint64_t left_of_file =
      head_.size == 0 ? UINT64_MAX - position : head_.size - std::min(position, head_.size);
  if (bytes > left_of_length || bytes > left_of_file) {
    return absl::DataLossError("the node sent more than there is in the file");
  }
  received_ += bytes;
  return absl::OkStatus();
}

absl::Status FileReader::Impl::Prove(const v1::ReadEnd& end) {
  if (end.bytes() != segment_.bytes()) {
    return absl::DataLossError(
        absl::StrCat("bytes were lost: ", segment_.bytes(), " came, the node sent ", end.bytes()));
  }
  if (end.xxh3_128() != segment_.Canonical()) {
    return absl::DataLossError("bytes were changed on their way: the checksum differs");
  }
  summary_ = {.bytes = received_,
              .xxh3_128 = resumed_ ? whole_.Canonical() : segment_.Canonical(),
              .changed = end.changed()};
  return absl::OkStatus();
}

FileReader::FileReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FileReader::~FileReader() = default;

const FileInfo& FileReader::head() const { return impl_->head(); }
absl::StatusOr<FileChunk> FileReader::Next() { return impl_->Next(); }
const ReadSummary& FileReader::summary() const { return impl_->summary(); }

}  // namespace nacre::client
