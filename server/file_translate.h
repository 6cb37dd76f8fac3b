#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "executor/file_request.h"
#include "nacre/v1/file.pb.h"

// Between the contract of files and the helper's protocol. Pure functions.
namespace nacre {

// INVALID_ARGUMENT names `field` and what is wrong with it.
absl::StatusOr<files::v1::Path> ToPath(const v1::FilePath& path, const std::string& field);

// Mode bits of a request, without the special ones unless they were asked for; INVALID_ARGUMENT if
// there are others.
absl::StatusOr<uint32_t> ToMode(uint32_t mode, bool special_bits);

absl::StatusOr<files::v1::Time> ToTime(const google::protobuf::Timestamp& time, const char* field);

// OK if `id` may name an upload.
absl::Status CheckResumeId(const std::string& id);

v1::File ToFile(const files::v1::Entry& entry);
// As File.version.
std::string VersionOf(const files::v1::Entry& entry);

// What each call asks of the helper. INVALID_ARGUMENT names the field.
absl::StatusOr<FileRequest> ToFileRequest(const v1::StatFileRequest& request);
absl::StatusOr<FileRequest> ToFileRequest(const v1::ListDirectoryRequest& request);
absl::StatusOr<FileRequest> ToFileRequest(const v1::ReadFileRequest& request);
absl::StatusOr<FileRequest> ToFileRequest(const v1::WriteStart& start);
absl::StatusOr<FileRequest> ToFileRequest(const v1::GetUploadRequest& request);
absl::StatusOr<FileRequest> ToFileRequest(const v1::MakeDirectoryRequest& request);
absl::StatusOr<FileRequest> ToFileRequest(const v1::MakeSymlinkRequest& request);
absl::StatusOr<FileRequest> ToFileRequest(const v1::MoveFileRequest& request);
absl::StatusOr<FileRequest> ToFileRequest(const v1::RemoveFileRequest& request);
absl::StatusOr<FileRequest> ToFileRequest(const v1::SetFileAttributesRequest& request);
absl::StatusOr<FileRequest> ToFileRequest(const v1::WatchFileRequest& request);

}  // namespace nacre
