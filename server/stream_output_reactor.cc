#include "server/stream_output_reactor.h"

#include <asio/post.hpp>
#include <utility>

#include "server/status.h"

namespace nacre {

StreamOutputReactor::StreamOutputReactor(asio::io_context& loop, Executor& executor,
                                         Identity identity, int64_t idle_ns,
                                         const v1::StreamOutputRequest& request)
    : SessionStream(loop, executor, std::move(identity), idle_ns), loop_(loop) {
  v1::Attach attach;
  attach.set_session_id(request.session_id());
  attach.set_drive(request.drive());
  if (request.has_position()) attach.set_position(request.position());
  if (request.has_keepalive_interval()) {
    *attach.mutable_keepalive_interval() = request.keepalive_interval();
  }
  asio::post(loop_, [this, attach] {
    if (finished()) return;
    if (absl::Status status = Attach(attach); !status.ok()) Reject(status);
  });
}

void StreamOutputReactor::OnWriteDone(bool ok) {
  asio::post(loop_, [this, ok] { HandleWritten(ok); });
}

void StreamOutputReactor::OnCancel() {
  asio::post(loop_, [this] { HandleLost(); });
}

void StreamOutputReactor::OnDone() {
  asio::post(loop_, [this] { delete this; });
}

SessionStream::Events* StreamOutputReactor::NewEvents() {
  response_.Clear();
  return response_.mutable_events();
}

void StreamOutputReactor::WriteEvents() { StartWrite(&response_); }

void StreamOutputReactor::WriteLastEvents() {
  StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
}

void StreamOutputReactor::End(const absl::Status& status) { Finish(ToGrpcStatus(status)); }

}  // namespace nacre
