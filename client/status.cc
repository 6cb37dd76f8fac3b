#include "client/status.h"

#include <string>

#include "absl/strings/cord.h"
#include "nacre/client.h"
#include "nacre/internal/v1/status.pb.h"

namespace nacre::client {
namespace {

constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";

internal::v1::ErrorInfo InfoOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrorInfoUrl);
  internal::v1::ErrorInfo info;
  if (!payload || !info.ParseFromString(std::string(*payload))) info.Clear();
  return info;
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  internal::v1::Status wire;
  if (result.ok() || !wire.ParseFromString(status.error_details())) return result;
  for (const auto& detail : wire.details()) {
    result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return result;
}

bool IsConnectionLoss(const absl::Status& status) {
  if (!absl::IsUnavailable(status)) return false;
  const std::string reason = ErrorReason(status);
  return reason.empty() || reason == "FRONT_RESTARTING" || reason == "FILE_HELPER_LOST";
}

std::string ErrorMetadata(const absl::Status& status, const std::string& key) {
  const internal::v1::ErrorInfo info = InfoOf(status);
  const auto found = info.metadata().find(key);
  return found == info.metadata().end() ? "" : found->second;
}

std::string ErrorReason(const absl::Status& status) { return InfoOf(status).reason(); }

}  // namespace nacre::client
