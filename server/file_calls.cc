#include "server/file_calls.h"

#include <errno.h>

#include "executor/errors.h"
#include "executor/file_error.h"

namespace nacre {

RemoveFileCall::RemoveFileCall(asio::io_context& loop, Executor& executor, const Identity& identity,
                               const v1::RemoveFileRequest& request,
                               v1::RemoveFileResponse* response)
    : loop_(loop), executor_(executor), request_(request), response_(response) {
  asio::post(loop_, [this, &identity] {
    auto asked = ToFileRequest(request_);
    if (!asked.ok()) {
      Finish(ToGrpcStatus(asked.status()));
      return;
    }
    executor_.files().Do(identity, *std::move(asked), [this](absl::StatusOr<Files::Answer> answer) {
      if (answer.ok()) {
        call_ = std::move(answer->call);
        OnReply(answer->reply.reply);
      } else if (request_.may_be_missing() && ErrorReason(answer.status()) == "FILE_NOT_FOUND") {
        Finish(grpc::Status::OK);
      } else {
        Finish(ToGrpcStatus(answer.status()));
      }
    });
  });
}

void RemoveFileCall::OnCancel() {
  asio::post(loop_, [this] { cancelled_ = true; });
}

void RemoveFileCall::OnDone() {
  asio::post(loop_, [this] { delete this; });
}

void RemoveFileCall::OnReply(const files::v1::Reply& reply) {
  response_->set_removed(response_->removed() + reply.removed());
  // Of what was there at the first step, another one may have removed the rest.
  const bool gone = stepped_ && static_cast<int>(reply.error()) == ENOENT;
  const absl::Status status = gone ? absl::OkStatus() : FileError(reply, call_.request);
  if (!status.ok() || gone || !reply.more()) {
    Complete(status);
    return;
  }
  absl::Status stop = executor_.CheckServing();
  if (cancelled_) stop = absl::CancelledError("the call was cancelled");
  if (!stop.ok()) {
    Complete(stop);
    return;
  }
  stepped_ = true;
  call_.helper->Call(call_.request.operation, [this](absl::StatusOr<FileReply> next) {
    if (next.ok()) {
      OnReply(next->reply);
    } else {
      Complete(next.status());
    }
  });
}

void RemoveFileCall::Complete(const absl::Status& status) {
  executor_.files().AuditEnd(call_, status, 0);
  call_.helper.reset();
  Finish(ToGrpcStatus(status));
}

}  // namespace nacre
