// How a file is written from a source that comes by but once.
#ifndef NACRE_CLIENT_FILE_WRITER_H_
#define NACRE_CLIENT_FILE_WRITER_H_

#include <memory>
#include <string>
#include <string_view>

#include "client/file_calls.h"
#include "client/file_hash.h"

namespace nacre::client {

// Holds back what fits into one message, so that a small file is one message, which can be sent
// again. Not thread-safe.
class FileWriter::Impl {
 public:
  Impl(std::shared_ptr<const FileCalls> calls, const std::string& path,
       const WriteOptions& options);
  ~Impl();

  absl::Status Write(std::string_view data);
  absl::Status Hole(uint64_t bytes);
  absl::StatusOr<FileInfo> Finish();

 private:
  absl::Status Send();
  grpc::Status End(grpc::ClientContext* context);
  grpc::Status EndStream();

  const std::shared_ptr<const FileCalls> calls_;
  const std::string path_;
  const WriteOptions options_;
  FileHash hash_;
  v1::WriteFileRequest pending_;
  v1::WriteFileResponse response_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientWriter<v1::WriteFileRequest>> stream_;
  absl::Status failed_;
};

}  // namespace nacre::client

#endif  // NACRE_CLIENT_FILE_WRITER_H_
