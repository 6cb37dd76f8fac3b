#include "server/run_reactor.h"

#include <algorithm>
#include <utility>

#include "executor/errors.h"
#include "server/translate.h"

namespace nacre {
namespace {

constexpr uint64_t kDefaultOutput = 1024 * 1024;
// With the rest of the answer it stays under the 4 MiB that gRPC clients take by default.
constexpr uint64_t kMaxOutput = 3 * 1024 * 1024;

}  // namespace

RunReactor::RunReactor(asio::io_context& loop, Executor& executor, Identity identity,
                       const v1::RunRequest& request, v1::RunResponse* response)
    : FollowerCall(loop, executor, std::move(identity)), request_(request), response_(response) {
  BeginSoon();
}

absl::Status RunReactor::Begin() {
  if (!request_.has_start()) return InvalidField("start", "is required");
  if (request_.max_output_bytes() > kMaxOutput) {
    return InvalidField("max_output_bytes", "exceeds 3145728; use Exec for more output");
  }
  room_ = request_.max_output_bytes() == 0 ? kDefaultOutput : request_.max_output_bytes();
  auto spec = ToCommandSpec(request_.start());
  if (!spec.ok()) return spec.status();
  if (spec->input()) return InvalidField("command.input", "Run gives no input; use Exec");
  auto start = executor().Start(identity(), *spec, this);
  if (!start.ok()) return start.status();
  if (!start->already) {
    Hold(std::move(start->session));
    return absl::OkStatus();
  }
  Follow(std::move(start->session));
  session().Drive(this);
  if (session().running() || session().termination().has_value()) session().OpenLog(this);
  return absl::OkStatus();
}

void RunReactor::OnStarted() { session().OpenLog(this); }

// From the oldest byte on: all of it, but for a run that an earlier call has followed.
void RunReactor::OnLog(const absl::StatusOr<LogView>& log) {
  if (!log.ok()) {
    Complete(log.status());
    return;
  }
  reader_.emplace(*log);
  if (session().termination().has_value() || session().end_position() > 0) OnProgress();
}

void RunReactor::OnProgress() {
  if (!reader_.has_value()) return;
  if (reader_->SkipLost()) response_->set_truncated(true);
  while (const auto chunk = reader_->Next(kMaxRingBytes)) Collect(*chunk);
  if (!session().termination().has_value()) {
    if (session().driven_by(this)) session().Release(reader_->position());
    session().Wait(reader_->seen());
    return;
  }
  *response_->mutable_session() = ToSession(session());
  *response_->mutable_termination() = ToTermination(*session().termination());
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
