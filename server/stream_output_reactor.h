#pragma once

#include <grpcpp/support/server_callback.h>

#include <asio/io_context.hpp>

#include "server/session_stream.h"

namespace nacre {

// One StreamOutput: the output half of a SessionStream. Deletes itself when the RPC is done. gRPC's
// threads only post to the loop, where everything else happens.
class StreamOutputReactor : public grpc::ServerWriteReactor<v1::StreamOutputResponse>,
                            private SessionStream {
 public:
  StreamOutputReactor(asio::io_context& loop, Executor& executor, Identity identity,
                      int64_t idle_ns, const v1::StreamOutputRequest& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  Events* NewEvents() override;
  void WriteEvents() override;
  void WriteLastEvents() override;
  void End(const absl::Status& status) override;
  void ReadNext() override {}

  asio::io_context& loop_;
  v1::StreamOutputResponse response_;
};

}  // namespace nacre
