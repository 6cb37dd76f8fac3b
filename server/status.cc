#include "server/status.h"

#include <google/protobuf/stubs/common.h>
#include <grpcpp/support/status.h>

#include <string>
#include <string_view>

#include "absl/strings/str_format.h"
#include "executor/errors.h"
#include "nacre/internal/v1/status.pb.h"

namespace nacre {
namespace {

constexpr char kDomain[] = "nacre";
constexpr char kTypePrefix[] = "type.googleapis.com/google.rpc.";
constexpr int kRetrySeconds = 1;

void AddDetail(internal::v1::Status* status, const std::string& name,
               const google::protobuf::MessageLite& detail) {
  google::protobuf::Any* any = status->add_details();
  any->set_type_url(kTypePrefix + name);
  any->set_value(detail.SerializeAsString());
}

// Text that may hold what a caller has sent, as a string field has to be: where it is not UTF-8,
// each byte beyond ASCII is shown as \xNN.
std::string ToUtf8(std::string_view text) {
  using google::protobuf::internal::IsStructurallyValidUTF8;
  if (IsStructurallyValidUTF8(text.data(), static_cast<int>(text.size()))) return std::string(text);
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      shown.push_back(c);
    } else {
      absl::StrAppendFormat(&shown, "\\x%02x", byte);
    }
  }
  return shown;
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  internal::v1::Status wire;
  wire.set_code(static_cast<int>(status.code()));
  wire.set_message(ToUtf8(std::string_view(status.message().data(), status.message().size())));
  if (const auto reason = ErrorReason(status); reason.has_value()) {
    internal::v1::ErrorInfo info;
    info.set_reason(*reason);
    info.set_domain(kDomain);
    if (const auto field = ErrorField(status); field.has_value()) {
      (*info.mutable_metadata())["field"] = *field;
    }
    for (const auto& [name, value] : ErrorMetadata(status)) {
      (*info.mutable_metadata())[name] = ToUtf8(value);
    }
    AddDetail(&wire, "ErrorInfo", info);
  }
  if (const auto field = ErrorField(status);
      field.has_value() && status.code() == absl::StatusCode::kInvalidArgument) {
    internal::v1::BadRequest bad;
    auto* violation = bad.add_field_violations();
    violation->set_field(*field);
    violation->set_description(wire.message());
    AddDetail(&wire, "BadRequest", bad);
  }
  if (status.code() == absl::StatusCode::kResourceExhausted) {
    internal::v1::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(kRetrySeconds);
    AddDetail(&wire, "RetryInfo", retry);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), wire.message(),
                      wire.SerializeAsString());
}

}  // namespace nacre
