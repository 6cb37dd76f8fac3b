#include "executor/file_error.h"

#include <errno.h>
#include <string.h>

#include <array>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "executor/errors.h"

namespace nacre {
namespace {

using absl::StatusCode;

struct Meaning {
  int error;
  StatusCode code;
  const char* reason;
  const char* why;
};

constexpr std::array kMeanings = {
    Meaning{ENOENT, StatusCode::kNotFound, "FILE_NOT_FOUND", "there is no such file or directory"},
    Meaning{EACCES, StatusCode::kPermissionDenied, "FILE_ACCESS_DENIED", "permission denied"},
    Meaning{EPERM, StatusCode::kPermissionDenied, "FILE_ACCESS_DENIED", "operation not permitted"},
    Meaning{EEXIST, StatusCode::kAlreadyExists, "FILE_EXISTS", "it exists already"},
    Meaning{EISDIR, StatusCode::kFailedPrecondition, "IS_A_DIRECTORY", "it is a directory"},
    Meaning{ENOTDIR, StatusCode::kFailedPrecondition, "NOT_A_DIRECTORY",
            "it, or a part of its path, is not a directory"},
    Meaning{ENOTEMPTY, StatusCode::kFailedPrecondition, "DIRECTORY_NOT_EMPTY",
            "the directory is not empty; ask for its contents too"},
    Meaning{ELOOP, StatusCode::kFailedPrecondition, "TOO_MANY_LINKS",
            "too many symbolic links lead on, or one that must not be followed"},
    Meaning{EROFS, StatusCode::kFailedPrecondition, "READ_ONLY", "its file system is read-only"},
    Meaning{EXDEV, StatusCode::kFailedPrecondition, "CROSS_DEVICE",
            "both paths must be on one file system; copy it and remove the old one"},
    Meaning{ENOSPC, StatusCode::kResourceExhausted, "NO_SPACE", "no space left on the device"},
    Meaning{EDQUOT, StatusCode::kResourceExhausted, "QUOTA_EXCEEDED", "the disk quota is used up"},
    Meaning{EFBIG, StatusCode::kResourceExhausted, "TOO_LARGE",
            "its file system takes no file of this size"},
    Meaning{EMFILE, StatusCode::kResourceExhausted, "OPEN_FILES", "too many files are open"},
    Meaning{ENFILE, StatusCode::kResourceExhausted, "OPEN_FILES", "too many files are open"},
    Meaning{ENOMEM, StatusCode::kResourceExhausted, "NODE_RESOURCES", "out of memory"},
    Meaning{EOPNOTSUPP, StatusCode::kFailedPrecondition, "NOT_SUPPORTED",
            "this kind of file, or its file system, can't do that"},
    Meaning{ERANGE, StatusCode::kOutOfRange, "BEYOND_END", "the offset is beyond its end"},
    Meaning{EAGAIN, StatusCode::kFailedPrecondition, "NOT_A_REGULAR_FILE",
            "a reader would have to wait for it"},
    Meaning{EIO, StatusCode::kDataLoss, "READ_FAILED", "input/output error"},
    Meaning{ESTALE, StatusCode::kDataLoss, "READ_FAILED", "stale file handle"},
};

absl::Status WithPath(absl::Status status, const std::string& path) {
  AddErrorMetadata("path", path, &status);
  return status;
}

std::string Said(const files::v1::Path& path) { return absl::Utf8SafeCHexEscape(path.path()); }

// The path that an error names; of a move both, as the kernel does not say which.
std::string Subject(const FileRequest& request) {
  std::string subject;
  for (const files::v1::Path& path : PathsOf(request)) {
    absl::StrAppend(&subject, subject.empty() ? "" : " → ", Said(path));
  }
  return subject;
}

std::string FirstPath(const FileRequest& request) {
  const auto paths = PathsOf(request);
  return paths.empty() ? "" : paths[0].path();
}

const char* PathField(const FileRequest& request) {
  return request.verb == FileVerb::kMove ? "from or to" : "path";
}

absl::Status UploadError(int error, const FileRequest& request) {
  if (error == ERANGE) return FileError(ERANGE, request);
  if (request.operation.has_find_upload()) {
    return FileError(StatusCode::kNotFound, "UPLOAD_NOT_FOUND", "there is no such upload", request);
  }
  if (error == EPERM) {
    return FileError(StatusCode::kFailedPrecondition, "UPLOAD_TAKEN",
                     "what lies where the upload belongs is not its user's", request);
  }
  return FileError(StatusCode::kAborted, "UPLOAD_TAKEN", "another call has taken this upload",
                   request);
}

}  // namespace

absl::Status FileError(absl::StatusCode code, const char* reason, const std::string& why,
                       const FileRequest& request) {
  return WithPath(MakeError(code, reason, absl::StrCat(Subject(request), ": ", why)),
                  FirstPath(request));
}

absl::Status FileError(int error, const FileRequest& request) {
  for (const Meaning& meaning : kMeanings) {
    if (meaning.error == error)
      return FileError(meaning.code, meaning.reason, meaning.why, request);
  }
  if (error == ENAMETOOLONG) {
    return InvalidField(
        PathField(request),
        absl::StrCat(Subject(request).substr(0, 64), "…: the path, or a part of it, is too long"));
  }
  if (error == EINVAL || error == EBADF) {
    return InvalidField(PathField(request),
                        absl::StrCat(Subject(request), ": this can't be done with such a path"));
  }
  return FileError(StatusCode::kFailedPrecondition, "FILE_ERROR", strerror(error), request);
}

absl::Status FileError(const files::v1::Reply& reply, const FileRequest& request) {
  const int error = static_cast<int>(reply.error());
  switch (reply.failure()) {
    case files::v1::FAILURE_UNSPECIFIED:
      return error == 0 ? absl::OkStatus() : FileError(error, request);
    case files::v1::FAILURE_REQUEST:
      return InvalidField(
          PathField(request),
          absl::StrCat(Subject(request), ": ", error != 0 ? strerror(error) : "is no path"));
    case files::v1::FAILURE_ROOT:
      return error == ENOENT || error == EACCES || error == ENOTDIR
                 ? FileError(error == ENOENT   ? StatusCode::kNotFound
                             : error == EACCES ? StatusCode::kPermissionDenied
                                               : StatusCode::kFailedPrecondition,
                             error == ENOENT   ? "FILE_NOT_FOUND"
                             : error == EACCES ? "FILE_ACCESS_DENIED"
                                               : "NOT_A_DIRECTORY",
                             absl::StrCat("its root: ", strerror(error)), request)
                 : InvalidField("path.root", strerror(error));
    case files::v1::FAILURE_OUTSIDE_ROOT:
      return FileError(StatusCode::kPermissionDenied, "OUTSIDE_ROOT",
                       "the path leads out of its root", request);
    case files::v1::FAILURE_NOT_REGULAR:
      return FileError(StatusCode::kFailedPrecondition, "NOT_A_REGULAR_FILE",
                       "it is not a regular file", request);
    case files::v1::FAILURE_UPLOAD:
      return UploadError(error, request);
    case files::v1::FAILURE_TOO_MANY:
      return FileError(StatusCode::kResourceExhausted, "OPEN_FILES",
                       "too many files of this user are open", request);
    default:
      return FileError(StatusCode::kInternal, "FILE_ERROR", "the helper says what nobody knows",
                       request);
  }
}

}  // namespace nacre
