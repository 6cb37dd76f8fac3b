#include "server/run_reactor.h"

#include <algorithm>
#include <asio/post.hpp>

#include "executor/errors.h"
#include "server/status.h"
#include "server/translate.h"

namespace nacre {
namespace {

constexpr uint64_t kDefaultOutput = 1024 * 1024;
// With the rest of the answer it stays under the 4 MiB that gRPC clients take by default.
constexpr uint64_t kMaxOutput = 3 * 1024 * 1024;

}  // namespace

RunReactor::RunReactor(asio::io_context& loop, Executor& executor, Identity identity,
                       const v1::RunRequest& request, v1::RunResponse* response)
    : loop_(loop),
      executor_(executor),
      identity_(std::move(identity)),
      request_(request),
      response_(response) {
  asio::post(loop_, [this] { HandleStart(); });
}

void RunReactor::OnCancel() {
  asio::post(loop_, [this] { HandleCancel(); });
}

void RunReactor::OnDone() {
  asio::post(loop_, [this] { delete this; });
}

void RunReactor::HandleStart() {
  if (finished_) return;
  if (absl::Status status = Start(); !status.ok()) Complete(status);
}

absl::Status RunReactor::Start() {
  if (!request_.has_start()) return InvalidField("start", "is required");
  if (request_.max_output_bytes() > kMaxOutput) {
    return InvalidField("max_output_bytes", "exceeds 3145728; use Exec for more output");
  }
  room_ = request_.max_output_bytes() == 0 ? kDefaultOutput : request_.max_output_bytes();
  auto spec = ToCommandSpec(request_.start());
  if (!spec.ok()) return spec.status();
  if (spec->input()) return InvalidField("command.input", "Run gives no input; use Exec");
  auto session = executor_.Start(identity_, *spec, this);
  if (!session.ok()) return session.status();
  session_ = *std::move(session);
  return absl::OkStatus();
}

void RunReactor::HandleCancel() {
  if (finished_) return;
  if (session_ != nullptr) session_->Abandon();
  Complete(absl::CancelledError("the call was cancelled"));
}

void RunReactor::OnStartFailed(const absl::Status& status) { Complete(status); }

void RunReactor::Complete(const absl::Status& status) {
  finished_ = true;
  session_.reset();
  Finish(ToGrpcStatus(status));
}

void RunReactor::OnProgress() {
  while (const auto chunk = session_->reader().Next(kMaxRingBytes)) Collect(*chunk);
  if (!session_->termination().has_value()) {
    session_->Release(session_->reader().position());
    session_->Wait();
    return;
  }
  *response_->mutable_session() = ToSession(*session_);
  *response_->mutable_termination() = ToTermination(*session_->termination());
  session_->Close();
  Complete(absl::OkStatus());
}

void RunReactor::Collect(const LogReader::Chunk& chunk) {
  std::string* output =
      chunk.stream == kStdout ? response_->mutable_stdout() : response_->mutable_stderr();
  for (const std::string_view part : {chunk.first, chunk.second}) {
    const size_t taken = std::min(room_, part.size());
    output->append(part.substr(0, taken));
    room_ -= taken;
    if (taken < part.size()) response_->set_truncated(true);
  }
}

}  // namespace nacre
