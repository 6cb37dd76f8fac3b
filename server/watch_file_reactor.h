#pragma once

#include <grpcpp/support/server_callback.h>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <deque>

#include "executor/executor.h"
#include "nacre/v1/file.pb.h"

namespace nacre {

// One WatchFile: events of an inotify instance as they come. While the caller is slow they stay in
// the kernel, which bounds them. Deletes itself when the RPC is done. gRPC's threads only post to
// the loop, where everything else happens.
class WatchFileReactor : public grpc::ServerWriteReactor<v1::WatchFileResponse>, FileStream {
 public:
  WatchFileReactor(asio::io_context& loop, Executor& executor, const Identity& identity,
                   const v1::WatchFileRequest& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void Abort(const absl::Status& why) override;
  bool endless() const override { return true; }

 private:
  void Open(const Identity& identity);
  void OnOpened(Files::Answer answer);
  void AwaitEvents();
  void ReadEvents();
  void Advance();
  void End(const absl::Status& status);

  asio::io_context& loop_;
  Executor& executor_;
  const v1::WatchFileRequest& request_;

  // Loop only.
  FileCall call_;
  asio::posix::stream_descriptor events_;
  std::deque<v1::WatchFileResponse> queue_;  // of one read; the first one is being written
  bool opening_ = true, writing_ = false, awaiting_ = false, ended_ = false;
  absl::Status error_;
};

}  // namespace nacre
