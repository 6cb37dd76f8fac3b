#pragma once

#include <grpcpp/support/server_callback.h>

#include <asio/io_context.hpp>
#include <optional>

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
  enum class Step { kNone, kRead, kOpen, kWrite, kDiscard, kFinish };

  void Open();
  void OnOpened(absl::StatusOr<Files::Answer> answer);
  absl::Status CheckRequest() const;
  absl::Status Take();
  void Write();
  void Commit();
  void Discard();
  void Finished(const absl::Status& status);
  void Done(const absl::Status& status);
  void Advance();
  Step NextStep() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fail(const absl::Status& why, bool lost);

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
  std::optional<FileSink> sink_;

  absl::Mutex mutex_;
  v1::WriteFileRequest incoming_, work_;  // each belongs to who is busy with it
  bool reading_ ABSL_GUARDED_BY(mutex_) = true;
  bool has_incoming_ ABSL_GUARDED_BY(mutex_) = false;
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;
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
