#include "executor/errors.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace nacre {
namespace {

constexpr char kReasonPayload[] = "nacre/reason";
constexpr char kFieldPayload[] = "nacre/field";
constexpr absl::string_view kMetadataPrefix = "nacre/metadata/";

absl::Cord ToCord(std::string_view text) {
  return absl::Cord(absl::string_view(text.data(), text.size()));
}

std::optional<std::string> Payload(const absl::Status& status, const char* url) {
  const auto payload = status.GetPayload(url);
  if (!payload.has_value()) return std::nullopt;
  return std::string(*payload);
}

}  // namespace

absl::Status MakeError(absl::StatusCode code, std::string_view reason, std::string_view message) {
  absl::Status status(code, absl::string_view(message.data(), message.size()));
  status.SetPayload(kReasonPayload, ToCord(reason));
  return status;
}

absl::Status InvalidField(std::string_view field, std::string_view why) {
  absl::Status status = MakeError(absl::StatusCode::kInvalidArgument, "INVALID_FIELD",
                                  absl::StrFormat("%s: %s", field, why));
  status.SetPayload(kFieldPayload, ToCord(field));
  return status;
}

void AddErrorMetadata(std::string_view name, std::string_view value, absl::Status* status) {
  status->SetPayload(absl::StrCat(kMetadataPrefix, std::string(name)), ToCord(value));
}

std::map<std::string, std::string> ErrorMetadata(const absl::Status& status) {
  std::map<std::string, std::string> metadata;
  status.ForEachPayload([&metadata](absl::string_view url, const absl::Cord& value) {
    if (!absl::ConsumePrefix(&url, kMetadataPrefix)) return;
    metadata.emplace(std::string(url), std::string(value));
  });
  return metadata;
}

std::optional<std::string> ErrorReason(const absl::Status& status) {
  return Payload(status, kReasonPayload);
}

std::optional<std::string> ErrorField(const absl::Status& status) {
  return Payload(status, kFieldPayload);
}

}  // namespace nacre
