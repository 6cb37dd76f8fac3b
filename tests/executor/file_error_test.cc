#include "executor/file_error.h"

#include <errno.h>
#include <gtest/gtest.h>

#include "executor/errors.h"

namespace nacre {
namespace {

FileRequest Stat(const std::string& path) {
  FileRequest request;
  request.operation.mutable_stat()->mutable_path()->set_path(path);
  return request;
}

files::v1::Reply Reply(int error, files::v1::Failure failure = files::v1::FAILURE_UNSPECIFIED) {
  files::v1::Reply reply;
  reply.set_error(static_cast<uint32_t>(error));
  reply.set_failure(failure);
  return reply;
}

std::string ReasonOf(const absl::Status& status) { return ErrorReason(status).value_or(""); }

TEST(FileErrorTest, WhatIsDoneIsNoError) { EXPECT_TRUE(FileError(Reply(0), Stat("/f")).ok()); }

TEST(FileErrorTest, EachErrnoHasItsCodeAndReason) {
  const auto expect = [](int error, absl::StatusCode code, const char* reason) {
    const absl::Status status = FileError(Reply(error), Stat("/f"));
    EXPECT_EQ(status.code(), code) << error;
    EXPECT_EQ(ReasonOf(status), reason) << error;
  };
  expect(ENOENT, absl::StatusCode::kNotFound, "FILE_NOT_FOUND");
  expect(EACCES, absl::StatusCode::kPermissionDenied, "FILE_ACCESS_DENIED");
  expect(EEXIST, absl::StatusCode::kAlreadyExists, "FILE_EXISTS");
  expect(ENOSPC, absl::StatusCode::kResourceExhausted, "NO_SPACE");
  expect(EDQUOT, absl::StatusCode::kResourceExhausted, "QUOTA_EXCEEDED");
  expect(EIO, absl::StatusCode::kDataLoss, "READ_FAILED");
  expect(ENAMETOOLONG, absl::StatusCode::kInvalidArgument, "INVALID_FIELD");
  expect(EXDEV, absl::StatusCode::kFailedPrecondition, "CROSS_DEVICE");
  expect(ENOTTY, absl::StatusCode::kFailedPrecondition, "FILE_ERROR");
}

TEST(FileErrorTest, WhereTheErrnoDoesNotSayItTheFailureDoes) {
  EXPECT_EQ(ReasonOf(FileError(Reply(EXDEV, files::v1::FAILURE_OUTSIDE_ROOT), Stat("x"))),
            "OUTSIDE_ROOT");
  EXPECT_EQ(ReasonOf(FileError(Reply(EINVAL, files::v1::FAILURE_NOT_REGULAR), Stat("x"))),
            "NOT_A_REGULAR_FILE");
  EXPECT_EQ(ReasonOf(FileError(Reply(ENOENT, files::v1::FAILURE_ROOT), Stat("x"))),
            "FILE_NOT_FOUND");
  EXPECT_EQ(ReasonOf(FileError(Reply(EMFILE, files::v1::FAILURE_TOO_MANY), Stat("x"))),
            "OPEN_FILES");
}

TEST(FileErrorTest, AnUploadThatWasTakenIsToldFromOneThatIsNotThere) {
  FileRequest find;
  find.operation.mutable_find_upload()->mutable_path()->set_path("f");
  FileRequest write;
  write.operation.mutable_open_write()->mutable_path()->set_path("f");
  const auto gone = Reply(ENOENT, files::v1::FAILURE_UPLOAD);
  EXPECT_EQ(ReasonOf(FileError(gone, find)), "UPLOAD_NOT_FOUND");
  EXPECT_EQ(ReasonOf(FileError(gone, write)), "UPLOAD_TAKEN");
  EXPECT_EQ(ReasonOf(FileError(Reply(ERANGE, files::v1::FAILURE_UPLOAD), write)), "BEYOND_END");
}

TEST(FileErrorTest, ThePathIsNamedAndMadeHarmless) {
  const absl::Status status = FileError(Reply(ENOENT), Stat("/\x1b[31m\xff"));
  EXPECT_EQ(status.message().find('\x1b'), absl::string_view::npos);
  EXPECT_EQ(ErrorMetadata(status).at("path"), "/\x1b[31m\xff");
}

}  // namespace
}  // namespace nacre
