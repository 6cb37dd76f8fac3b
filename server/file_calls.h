#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <functional>
#include <memory>
#include <utility>

#include "executor/executor.h"
#include "server/file_translate.h"
#include "server/status.h"

namespace nacre {

// The unary calls about files. Each is one request of the helper, a removal several. gRPC's threads
// only post to the loop, where everything else happens.

// Answers a call with what `fill` makes of the helper's answer. Request and response live until
// then. A call that its caller cancels is done nevertheless.
template <typename Request>
grpc::ServerUnaryReactor* AnswerFileCall(asio::io_context& loop, Executor& executor,
                                         const Identity& identity,
                                         grpc::CallbackServerContext* context,
                                         const Request& request,
                                         std::function<absl::Status(const Files::Answer&)> fill) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  asio::post(loop, [&executor, &identity, &request, reactor, fill = std::move(fill)] {
    auto asked = ToFileRequest(request);
    if (!asked.ok()) {
      reactor->Finish(ToGrpcStatus(asked.status()));
      return;
    }
    executor.files().Do(identity, *std::move(asked),
                        [&executor, reactor, fill](absl::StatusOr<Files::Answer> answer) {
                          absl::Status status = answer.status();
                          if (answer.ok()) {
                            status = fill(*answer);
                            executor.files().AuditEnd(answer->call, status, 0);
                          }
                          reactor->Finish(ToGrpcStatus(status));
                        });
  });
  return reactor;
}

// Removes, however many steps it takes. Stops between two of them when its caller cancels.
class RemoveFileCall : public grpc::ServerUnaryReactor {
 public:
  RemoveFileCall(asio::io_context& loop, Executor& executor, const Identity& identity,
                 const v1::RemoveFileRequest& request, v1::RemoveFileResponse* response);

  void OnCancel() override;
  void OnDone() override;

 private:
  void OnReply(const files::v1::Reply& reply);
  void Complete(const absl::Status& status);

  asio::io_context& loop_;
  Executor& executor_;
  const v1::RemoveFileRequest& request_;
  v1::RemoveFileResponse* const response_;

  // Loop only.
  FileCall call_;
  bool cancelled_ = false, stepped_ = false;
};

}  // namespace nacre
