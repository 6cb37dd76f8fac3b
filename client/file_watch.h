// How a directory or file is watched.
#ifndef NACRE_CLIENT_FILE_WATCH_H_
#define NACRE_CLIENT_FILE_WATCH_H_

#include <memory>
#include <mutex>
#include <string>

#include "absl/base/thread_annotations.h"
#include "client/file_calls.h"
#include "client/reopening.h"

namespace nacre::client {

// One thread in Next(); Abandon() from any.
class FileWatch::Impl {
 public:
  Impl(std::shared_ptr<const FileCalls> calls, const std::string& path);
  ~Impl();

  absl::StatusOr<WatchEvent> Next();
  void Abandon();

 private:
  grpc::Status Begin();
  void CloseStream();
  absl::StatusOr<WatchEvent> OpenFirst();
  absl::StatusOr<WatchEvent> OpenAgain(const absl::Status& cause);
  bool IsAbandoned();

  const std::shared_ptr<const FileCalls> calls_;
  v1::WatchFileRequest request_;
  Reopening reopening_;
  std::unique_ptr<grpc::ClientReader<v1::WatchFileResponse>> stream_;
  v1::WatchFileResponse response_;
  bool had_events_ = false;  // On this stream.
  absl::Status failed_;

  std::mutex mutex_;
  // The stream's, which it outlives; replaced under the lock.
  std::unique_ptr<grpc::ClientContext> context_ ABSL_GUARDED_BY(mutex_);
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace nacre::client

#endif  // NACRE_CLIENT_FILE_WATCH_H_
