// How a file is written from a source that can be read again.
#ifndef NACRE_CLIENT_UPLOAD_H_
#define NACRE_CLIENT_UPLOAD_H_

#include <string>

#include "client/file_calls.h"
#include "client/file_hash.h"

namespace nacre::client {

// One upload, through any number of calls. The whole file is hashed once, in order; what goes out
// again after a loss is not hashed again. Not thread-safe.
class Upload {
 public:
  Upload(const FileCalls& calls, const std::string& path, const UploadOptions& options,
         UploadSource& source);

  absl::StatusOr<UploadResult> Run();

 private:
  grpc::Status Attempt(grpc::ClientContext* context);
  grpc::Status FindOffset(uint64_t* offset);
  absl::Status HashUpTo(uint64_t offset);
  absl::Status Fill(uint64_t* offset, v1::WriteFileRequest* request, bool* end);
  absl::Status Send(grpc::ClientWriter<v1::WriteFileRequest>& stream, uint64_t offset, bool* sent);

  const FileCalls& calls_;
  const std::string& path_;
  const UploadOptions& options_;
  UploadSource& source_;
  int attempts_ = 0;
  FileHash hash_;
  absl::Status source_failed_;
  v1::WriteFileResponse response_;
};

}  // namespace nacre::client

#endif  // NACRE_CLIENT_UPLOAD_H_
