#include "client/upload.h"

#include <utility>

namespace nacre::client {

Upload::Upload(const FileCalls& calls, const std::string& path, const UploadOptions& options,
               UploadSource& source)
    : calls_(calls), path_(path), options_(options), source_(source) {}

absl::StatusOr<UploadResult> Upload::Run() {
  absl::Status status =
      calls_.connection.Repeat([this](grpc::ClientContext* context) { return Attempt(context); });
  if (!source_failed_.ok()) return source_failed_;
  UploadResult result{.bytes = hash_.bytes(), .xxh3_128 = hash_.Canonical()};
  if (status.ok()) {
    result.file = FromWire(response_.file());
    return result;
  }
  if (attempts_ == 1 || !absl::IsAlreadyExists(status)) return status;
  auto written = calls_.FindWritten(path_, options_, hash_.bytes(), status);
  if (!written.ok()) return written.status();
  result.file = *std::move(written);
  return result;
}

grpc::Status Upload::Attempt(grpc::ClientContext* context) {
  uint64_t offset = 0;
  const bool may_go_on = !options_.resume_id.empty() && (options_.resume || attempts_ > 0);
  ++attempts_;
  if (may_go_on) {
    if (grpc::Status status = FindOffset(&offset); !status.ok()) return status;
  }
  context->set_initial_metadata_corked(true);
  const auto stream = calls_.stub->WriteFile(context, &response_);
  bool sent = false;
  source_failed_ = Send(*stream, offset, &sent);
  if (!source_failed_.ok()) context->TryCancel();
  grpc::Status status = stream->Finish();
  if (!status.ok() || sent) return status;
  return {grpc::StatusCode::INTERNAL, "the node took the file for finished"};
}

// Where the node can go on, with all before it hashed.
grpc::Status Upload::FindOffset(uint64_t* offset) {
  v1::GetUploadRequest request;
  *request.mutable_path() = calls_.Path(path_);
  request.set_resume_id(options_.resume_id);
  request.set_run_as(calls_.options.run_as);
  v1::GetUploadResponse response;
  grpc::ClientContext context;
  grpc::Status status = calls_.stub->GetUpload(&context, request, &response);
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) return grpc::Status::OK;
  if (!status.ok()) return status;
  if (attempts_ == 1) source_.HasUpTo(response.size());
  source_failed_ = HashUpTo(response.size());
  if (!source_failed_.ok()) return {grpc::StatusCode::ABORTED, "the source cannot be read"};
  if (hash_.bytes() >= response.size()) *offset = response.size();
  return status;
}

// Or to the end of a source that is shorter.
absl::Status Upload::HashUpTo(uint64_t offset) {
  v1::WriteFileRequest unsent;
  bool end = false;
  for (uint64_t at = hash_.bytes(); at < offset && !end;) {
    absl::Status status = Fill(&at, &unsent, &end);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// The source's next piece, hashed as far as it is new.
absl::Status Upload::Fill(uint64_t* offset, v1::WriteFileRequest* request, bool* end) {
  std::string* data = request->mutable_data();  // Not cleared: what is kept needs no new zeros.
  uint64_t hole = 0;
  absl::Status status = source_.Read(*offset, kChunkBytes, data, &hole);
  if (!status.ok()) return status;
  request->set_hole(hole);
  const uint64_t hashed = hash_.bytes() - *offset;
  if (hashed < data->size()) hash_.Add(std::string_view(*data).substr(hashed));
  if (hashed < hole) hash_.AddHole(hole - hashed);
  *end = data->empty() && hole == 0;
  *offset += data->size() + hole;
  return status;
}

// Sends the file from `offset` on. A stream that breaks tells why by itself; the errors are the
// source's.
absl::Status Upload::Send(grpc::ClientWriter<v1::WriteFileRequest>& stream, uint64_t offset,
                          bool* sent) {
  if (offset == 0) hash_ = FileHash();
  v1::WriteFileRequest request;
  v1::WriteFileRequest next;
  v1::WriteStart* start = request.mutable_start();
  *start = ToWire(path_, calls_.options, options_);
  start->set_resume_id(options_.resume_id);
  start->set_offset(offset);
  bool end = false;
  absl::Status status = Fill(&offset, &request, &end);
  // One piece ahead, so that the last one takes `finish` along: a small file is one message.
  while (status.ok() && !end) {
    status = Fill(&offset, &next, &end);
    if (!status.ok() || end) break;
    if (!stream.Write(request)) return absl::OkStatus();
    request.clear_start();
    request.Swap(&next);
  }
  if (!status.ok()) return status;
  request.mutable_finish()->set_size(hash_.bytes());
  request.mutable_finish()->set_xxh3_128(hash_.Canonical());
  *sent = stream.Write(request, grpc::WriteOptions().set_last_message());
  return status;
}

}  // namespace nacre::client
