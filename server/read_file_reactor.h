#pragma once

#include <grpcpp/support/server_callback.h>

#include <asio/io_context.hpp>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "executor/executor.h"
#include "server/file_source.h"
#include "server/io_pool.h"

namespace nacre {

// One ReadFile: a part is read while the one before is sent; two of them in memory. Deletes itself
// when the RPC is done.
//
//   loop: opens the file, ends │ pool: reads a part │ gRPC's threads: a part is sent
//   all of them ──▶ Advance, which takes the next step under the lock and makes it without
class ReadFileReactor : public grpc::ServerWriteReactor<v1::ReadFileResponse>, FileStream {
 public:
  ReadFileReactor(asio::io_context& loop, Executor& executor, IoPool& pool,
                  const Identity& identity, const v1::ReadFileRequest& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void Abort(const absl::Status& why) override;

 private:
  enum class Step { kNone, kFill, kWrite, kWriteLast, kFinish };

  void Open(const Identity& identity);
  void OnOpened(absl::StatusOr<Files::Answer> answer);
  void Fill();
  // Applies `change`, under the lock, and takes the steps that are next.
  void Advance(const std::function<void()>& change);
  Step NextStep() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  asio::io_context& loop_;
  Executor& executor_;
  IoPool& pool_;
  const v1::ReadFileRequest& request_;

  // Set on the loop before the first Fill, then constant; the call's end is told on the loop.
  FileCall call_;
  // Used, and let go of, on the pool only: a file system may hang.
  std::shared_ptr<FileSource> source_;
  bool checked_ = false;

  absl::Mutex mutex_;
  v1::ReadFileResponse sent_, next_;  // each belongs to who is busy with it
  // Something is on its way that may touch the source: being opened, or filling `next_`.
  bool filling_ ABSL_GUARDED_BY(mutex_) = true;
  bool filled_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool advancing_ ABSL_GUARDED_BY(mutex_) = false;
  bool again_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre
