#include "nacre/files.h"

#include <utility>

#include "client/command.h"
#include "client/file_calls.h"
#include "client/file_reader.h"
#include "client/file_watch.h"
#include "client/file_writer.h"
#include "client/upload.h"

namespace nacre::client {

absl::Status FileCalls::Check() const {
  return IsUtf8(options.run_as) ? absl::OkStatus()
                                : absl::InvalidArgumentError("run_as: is not UTF-8");
}

absl::StatusOr<FileInfo> FileCalls::FindWritten(const std::string& path, const WriteOptions& write,
                                                uint64_t size,
                                                const absl::Status& otherwise) const {
  v1::StatFileRequest request;
  *request.mutable_path() = Path(path);
  request.set_run_as(options.run_as);
  v1::StatFileResponse response;
  const absl::Status status = connection.Repeat(
      [&](grpc::ClientContext* context) { return stub->StatFile(context, request, &response); });
  if (!status.ok()) return otherwise;
  FileInfo found = FromWire(response.file());
  const bool same = found.type == FileType::kRegular && found.size == size &&
                    found.modify_time == write.modify_time.value_or(found.modify_time);
  if (!same) return otherwise;
  return found;
}

Files::Files(const Client& client, FilesOptions options)
    : calls_(std::make_shared<FileCalls>(
          FileCalls{.connection = client.connection(),
                    .options = std::move(options),
                    .stub = v1::FileService::NewStub(client.connection().channel)})) {}

Files::~Files() = default;
Files::Files(const Files&) = default;
Files& Files::operator=(const Files&) = default;

absl::StatusOr<FileInfo> Files::Stat(const std::string& path, bool follow) const {
  if (absl::Status status = calls_->Check(); !status.ok()) return status;
  v1::StatFileRequest request;
  *request.mutable_path() = calls_->Path(path);
  request.set_follow(follow);
  request.set_run_as(calls_->options.run_as);
  v1::StatFileResponse response;
  const absl::Status status = calls_->connection.Repeat([&](grpc::ClientContext* context) {
    return calls_->stub->StatFile(context, request, &response);
  });
  if (!status.ok()) return status;
  return FromWire(response.file());
}

absl::StatusOr<FilePage> Files::List(const std::string& path, const std::string& page_token,
                                     uint32_t page_size) const {
  if (absl::Status status = calls_->Check(); !status.ok()) return status;
  v1::ListDirectoryRequest request;
  *request.mutable_path() = calls_->Path(path);
  request.set_page_size(page_size);
  request.set_page_token(page_token);
  request.set_run_as(calls_->options.run_as);
  v1::ListDirectoryResponse response;
  const absl::Status status = calls_->connection.Repeat([&](grpc::ClientContext* context) {
    return calls_->stub->ListDirectory(context, request, &response);
  });
  if (!status.ok()) return status;
  FilePage page{.next_page_token = response.next_page_token()};
  page.entries.reserve(static_cast<size_t>(response.entries_size()));
  for (const v1::File& entry : response.entries()) page.entries.push_back(FromWire(entry));
  return page;
}

absl::StatusOr<FileInfo> Files::MakeDirectory(const std::string& path,
                                              const MakeDirectoryOptions& options) const {
  if (absl::Status status = calls_->Check(); !status.ok()) return status;
  v1::MakeDirectoryRequest request;
  *request.mutable_path() = calls_->Path(path);
  if (options.mode.has_value()) request.set_mode(*options.mode);
  request.set_special_bits(options.special_bits);
  request.set_parents(options.parents);
  request.set_run_as(calls_->options.run_as);
  v1::MakeDirectoryResponse response;
  int attempts = 0;
  const absl::Status status = calls_->connection.Repeat([&](grpc::ClientContext* context) {
    ++attempts;
    return calls_->stub->MakeDirectory(context, request, &response);
  });
  if (status.ok()) return FromWire(response.file());
  // The attempt whose answer was lost may have made it.
  if (attempts == 1 || !absl::IsAlreadyExists(status)) return status;
  auto found = Stat(path);
  if (!found.ok() || found->type != FileType::kDirectory) return status;
  return found;
}

absl::StatusOr<FileInfo> Files::MakeSymlink(const std::string& path, const std::string& target,
                                            bool replace) const {
  if (absl::Status status = calls_->Check(); !status.ok()) return status;
  v1::MakeSymlinkRequest request;
  *request.mutable_path() = calls_->Path(path);
  IsUtf8(target) ? request.set_target(target) : request.set_target_bytes(target);
  request.set_replace(replace);
  request.set_run_as(calls_->options.run_as);
  v1::MakeSymlinkResponse response;
  int attempts = 0;
  const absl::Status status = calls_->connection.Repeat([&](grpc::ClientContext* context) {
    ++attempts;
    return calls_->stub->MakeSymlink(context, request, &response);
  });
  if (status.ok()) return FromWire(response.file());
  if (attempts == 1 || !absl::IsAlreadyExists(status)) return status;
  auto found = Stat(path);
  if (!found.ok() || found->type != FileType::kSymlink || found->link_target != target) {
    return status;
  }
  return found;
}

absl::Status Files::Move(const std::string& from, const std::string& to,
                         bool must_not_exist) const {
  if (absl::Status status = calls_->Check(); !status.ok()) return status;
  v1::MoveFileRequest request;
  *request.mutable_from() = calls_->Path(from);
  *request.mutable_to() = calls_->Path(to);
  request.set_must_not_exist(must_not_exist);
  request.set_run_as(calls_->options.run_as);
  v1::MoveFileResponse response;
  int attempts = 0;
  absl::Status status = calls_->connection.Repeat([&](grpc::ClientContext* context) {
    ++attempts;
    return calls_->stub->MoveFile(context, request, &response);
  });
  // The attempt whose answer was lost has moved it away.
  if (attempts > 1 && absl::IsNotFound(status) && Stat(to).ok()) return absl::OkStatus();
  return status;
}

absl::StatusOr<uint64_t> Files::Remove(const std::string& path,
                                       const RemoveOptions& options) const {
  if (absl::Status status = calls_->Check(); !status.ok()) return status;
  v1::RemoveFileRequest request;
  *request.mutable_path() = calls_->Path(path);
  request.set_recursive(options.recursive);
  request.set_may_be_missing(options.may_be_missing);
  request.set_run_as(calls_->options.run_as);
  v1::RemoveFileResponse response;
  int attempts = 0;
  const absl::Status status = calls_->connection.Repeat([&](grpc::ClientContext* context) {
    ++attempts;
    return calls_->stub->RemoveFile(context, request, &response);
  });
  // The attempt whose answer was lost has done it.
  if (attempts > 1 && absl::IsNotFound(status)) return uint64_t{1};
  if (!status.ok()) return status;
  return response.removed();
}

absl::StatusOr<FileInfo> Files::SetAttributes(const std::string& path,
                                              const FileAttributes& attributes) const {
  if (absl::Status status = calls_->Check(); !status.ok()) return status;
  v1::SetFileAttributesRequest request;
  *request.mutable_path() = calls_->Path(path);
  if (attributes.mode.has_value()) request.set_mode(*attributes.mode);
  request.set_special_bits(attributes.special_bits);
  if (attributes.modify_time.has_value()) {
    *request.mutable_modify_time() = ToWire(*attributes.modify_time);
  }
  request.set_run_as(calls_->options.run_as);
  v1::SetFileAttributesResponse response;
  const absl::Status status = calls_->connection.Repeat([&](grpc::ClientContext* context) {
    return calls_->stub->SetFileAttributes(context, request, &response);
  });
  if (!status.ok()) return status;
  return FromWire(response.file());
}

absl::StatusOr<std::unique_ptr<FileReader>> Files::Read(const std::string& path,
                                                        const ReadOptions& options) const {
  if (absl::Status status = calls_->Check(); !status.ok()) return status;
  auto impl = std::make_unique<FileReader::Impl>(calls_, path, options);
  if (absl::Status status = impl->Open(); !status.ok()) return status;
  return std::unique_ptr<FileReader>(new FileReader(std::move(impl)));
}

absl::StatusOr<std::unique_ptr<FileWriter>> Files::Write(const std::string& path,
                                                         const WriteOptions& options) const {
  if (absl::Status status = calls_->Check(); !status.ok()) return status;
  return std::unique_ptr<FileWriter>(
      new FileWriter(std::make_unique<FileWriter::Impl>(calls_, path, options)));
}

absl::StatusOr<UploadResult> Files::Upload(const std::string& path, const UploadOptions& options,
                                           UploadSource& source) const {
  if (absl::Status status = calls_->Check(); !status.ok()) return status;
  return client::Upload(*calls_, path, options, source).Run();
}

absl::StatusOr<uint64_t> Files::GetUpload(const std::string& path,
                                          const std::string& resume_id) const {
  if (absl::Status status = calls_->Check(); !status.ok()) return status;
  v1::GetUploadRequest request;
  *request.mutable_path() = calls_->Path(path);
  request.set_resume_id(resume_id);
  request.set_run_as(calls_->options.run_as);
  v1::GetUploadResponse response;
  const absl::Status status = calls_->connection.Repeat([&](grpc::ClientContext* context) {
    return calls_->stub->GetUpload(context, request, &response);
  });
  if (!status.ok()) return status;
  return response.size();
}

absl::StatusOr<std::unique_ptr<FileWatch>> Files::Watch(const std::string& path) const {
  if (absl::Status status = calls_->Check(); !status.ok()) return status;
  return std::unique_ptr<FileWatch>(new FileWatch(std::make_unique<FileWatch::Impl>(calls_, path)));
}

}  // namespace nacre::client
