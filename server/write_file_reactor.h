#pragma once

#include <grpcpp/support/server_callback.h>

#include <asio/io_context.hpp>
#include <atomic>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "executor/executor.h"
#include "server/file_sink.h"
#include "server/io_pool.h"

namespace nacre {

// One WriteFile: a request is written while the next one is received; two of them in memory.
// Deletes itself when the RPC is done.
//
//   gRPC's threads: a request comes │ loop: opens, commits or discards │ pool: writes what it
//   brings all of them ──▶ Advance, which takes the next step under the lock and makes it without
class WriteFileReactor : public grpc::ServerReadReactor<v1::WriteFileRequest>, FileStream {
 public:
  WriteFileReactor(asio::io_context& loop, Executor& executor, IoPool& pool,
                   const Identity& identity, v1::WriteFileResponse* response);

  void OnReadDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void Abort(const absl::Status& why) override;

 private:
  enum class Step { kNone, kOpen, kWrite, kDiscard, kFinish };

  void Open();
  void OnOpened(absl::StatusOr<Files::Answer> answer);
  absl::Status Take();
  void Write();
  void Commit();
  void Discard();
  // Whoever was busy is it no more.
  void Finished(const absl::Status& status);
  // Applies `change`, under the lock, and takes the steps that are next.
  void Advance(const std::function<void()>& change);
  Step NextStep() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fail(const absl::Status& why);
  bool failed();

  asio::io_context& loop_;
  Executor& executor_;
  IoPool& pool_;
  const Identity& identity_;
  v1::WriteFileResponse* const response_;

  // Of who is busy.
  v1::WriteStart start_;
  FileCall call_;
  uint64_t upload_ = 0;  // the helper's number; 0: there is none
  uint32_t mode_ = 0;
  uint64_t bytes_ = 0;
  bool checked_ = false;
  // Used, and let go of, on the pool only: a file system may hang.
  std::unique_ptr<FileSink> sink_;

  // What takes long on the pool ends early.
  std::atomic<bool> stop_ = false;

  absl::Mutex mutex_;
  v1::WriteFileRequest incoming_, work_;  // each belongs to who is busy with it
  bool reading_ ABSL_GUARDED_BY(mutex_) = true;
  bool has_incoming_ ABSL_GUARDED_BY(mutex_) = false;
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool start_taken_ ABSL_GUARDED_BY(mutex_) = false;
  bool finish_taken_ ABSL_GUARDED_BY(mutex_) = false;
  // Somebody opens, writes, commits or discards.
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  bool opened_ ABSL_GUARDED_BY(mutex_) = false;
  bool discarded_ ABSL_GUARDED_BY(mutex_) = false;
  // The file has its name: no error can take it back.
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool advancing_ ABSL_GUARDED_BY(mutex_) = false;
  bool again_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  // The call was lost, not refused: what has come may be wanted again.
  bool lost_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace nacre
