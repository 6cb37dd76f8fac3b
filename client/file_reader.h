// How a file is read.
#ifndef NACRE_CLIENT_FILE_READER_H_
#define NACRE_CLIENT_FILE_READER_H_

#include <memory>
#include <string>

#include "client/file_calls.h"
#include "client/file_hash.h"
#include "client/reopening.h"

namespace nacre::client {

// Not thread-safe.
class FileReader::Impl {
 public:
  Impl(std::shared_ptr<const FileCalls> calls, const std::string& path, const ReadOptions& options);
  ~Impl();

  absl::Status Open();
  const FileInfo& head() const { return head_; }
  absl::StatusOr<FileChunk> Next();
  const ReadSummary& summary() const { return summary_; }

 private:
  grpc::Status Begin();
  void CloseStream();
  absl::Status Resume(const absl::Status& cause);
  absl::StatusOr<FileChunk> Take();
  absl::StatusOr<FileChunk> TakeHole();
  absl::Status Enter(uint64_t bytes);
  absl::Status Prove(const v1::ReadEnd& end);

  const std::shared_ptr<const FileCalls> calls_;
  const uint64_t first_;
  v1::ReadFileRequest request_;
  Reopening reopening_;

  // The stream at present; context_ outlives it.
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReader<v1::ReadFileResponse>> stream_;
  v1::ReadFileResponse response_;
  FileHash segment_;  // What this stream has brought, which is what the node counts.

  FileInfo head_;
  uint64_t received_ = 0;
  uint64_t hole_left_ = 0;  // Of a hole that is told in pieces.
  FileHash whole_;          // What all streams have brought, once there is a second one.
  bool resumed_ = false;
  bool done_ = false;
  absl::Status failed_;
  ReadSummary summary_;
};

}  // namespace nacre::client

#endif  // NACRE_CLIENT_FILE_READER_H_
