#include "server/follower_call.h"

#include <asio/post.hpp>
#include <utility>

#include "server/status.h"

namespace nacre {

FollowerCall::FollowerCall(asio::io_context& loop, Executor& executor, Identity identity)
    : loop_(loop), executor_(executor), identity_(std::move(identity)) {}

void FollowerCall::BeginSoon() {
  asio::post(loop_, [this] {
    if (finished_) return;
    if (absl::Status status = Begin(); !status.ok()) Complete(status);
  });
}

void FollowerCall::OnCancel() {
  asio::post(loop_, [this] {
    if (finished_) return;
    if (session_ != nullptr) {
      std::exchange(session_, nullptr)->Leave(this, Session::Leaving::kLost);
    }
    Complete(absl::CancelledError("the call was cancelled"));
  });
}

void FollowerCall::OnDone() {
  asio::post(loop_, [this] { delete this; });
}

void FollowerCall::Follow(std::shared_ptr<Session> session) {
  session_ = std::move(session);
  session_->Join(this);
}

void FollowerCall::Complete(const absl::Status& status) {
  if (std::exchange(finished_, true)) return;
  if (session_ != nullptr) {
    std::exchange(session_, nullptr)->Leave(this, Session::Leaving::kDone);
  }
  executor_.WhenKept([this, answer = ToGrpcStatus(status)] { Finish(answer); });
}

void FollowerCall::OnGone(const absl::Status& status) {
  session_.reset();
  Complete(status);
}

}  // namespace nacre
