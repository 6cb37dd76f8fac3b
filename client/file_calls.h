// What all calls about files share.
#ifndef NACRE_CLIENT_FILE_CALLS_H_
#define NACRE_CLIENT_FILE_CALLS_H_

#include <cstddef>
#include <memory>
#include <string>

#include "client/connection.h"
#include "client/file_info.h"
#include "nacre/files.h"
#include "nacre/v1/file.grpc.pb.h"

namespace nacre::client {

// Bytes of a file in one message, at most.
constexpr size_t kChunkBytes = 256 << 10;

// One node's FileService for one user. Immutable.
struct FileCalls {
  Connection connection;
  FilesOptions options;
  std::unique_ptr<v1::FileService::Stub> stub;

  v1::FilePath Path(const std::string& path) const { return ToWire(path, options); }

  // OK, or INVALID_ARGUMENT for what has no wire form.
  absl::Status Check() const;

  // The file, where a write that must not replace anything finds one that looks as if an attempt of
  // its own, whose answer was lost, had written it; else `otherwise`.
  absl::StatusOr<FileInfo> FindWritten(const std::string& path, const WriteOptions& options,
                                       uint64_t size, const absl::Status& otherwise) const;
};

}  // namespace nacre::client

#endif  // NACRE_CLIENT_FILE_CALLS_H_
