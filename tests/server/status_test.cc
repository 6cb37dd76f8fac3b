#include "server/status.h"

#include <grpcpp/support/status.h>
#include <gtest/gtest.h>

#include "executor/errors.h"
#include "nacre/internal/v1/status.pb.h"

namespace nacre {
namespace {

internal::v1::Status Details(const grpc::Status& status) {
  internal::v1::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

TEST(StatusTest, ABadFieldTravelsAsErrorInfoAndBadRequest) {
  const grpc::Status status = ToGrpcStatus(InvalidField("command.cwd", "is not absolute"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const internal::v1::Status details = Details(status);
  EXPECT_EQ(details.code(), 3);
  EXPECT_EQ(details.message(), status.error_message());
  ASSERT_EQ(details.details_size(), 2);
  EXPECT_EQ(details.details(0).type_url(), "type.googleapis.com/google.rpc.ErrorInfo");
  internal::v1::ErrorInfo info;
  ASSERT_TRUE(info.ParseFromString(details.details(0).value()));
  EXPECT_EQ(info.reason(), "INVALID_FIELD");
  EXPECT_EQ(info.domain(), "nacre");
  internal::v1::BadRequest bad;
  ASSERT_TRUE(bad.ParseFromString(details.details(1).value()));
  EXPECT_EQ(bad.field_violations(0).field(), "command.cwd");
}

TEST(StatusTest, AReachedLimitSaysWhenToTryAgain) {
  const internal::v1::Status details = Details(
      ToGrpcStatus(MakeError(absl::StatusCode::kResourceExhausted, "NODE_RESOURCES", "full")));
  ASSERT_EQ(details.details_size(), 2);
  EXPECT_EQ(details.details(1).type_url(), "type.googleapis.com/google.rpc.RetryInfo");
}

TEST(StatusTest, OkIsOk) { EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok()); }

}  // namespace
}  // namespace nacre
