#pragma once

#include <asio/io_context.hpp>

#include "executor/executor.h"
#include "nacre/v1/file.grpc.pb.h"
#include "server/io_pool.h"

namespace nacre {

// FileService as one identity sees it. gRPC's threads call it.
class FileService : public v1::FileService::CallbackService {
 public:
  FileService(asio::io_context& loop, Executor& executor, IoPool& pool, Identity identity)
      : loop_(loop), executor_(executor), pool_(pool), identity_(std::move(identity)) {}

  grpc::ServerUnaryReactor* StatFile(grpc::CallbackServerContext* context,
                                     const v1::StatFileRequest* request,
                                     v1::StatFileResponse* response) override;
  grpc::ServerUnaryReactor* ListDirectory(grpc::CallbackServerContext* context,
                                          const v1::ListDirectoryRequest* request,
                                          v1::ListDirectoryResponse* response) override;
  grpc::ServerWriteReactor<v1::ReadFileResponse>* ReadFile(
      grpc::CallbackServerContext* context, const v1::ReadFileRequest* request) override;
  grpc::ServerReadReactor<v1::WriteFileRequest>* WriteFile(
      grpc::CallbackServerContext* context, v1::WriteFileResponse* response) override;
  grpc::ServerUnaryReactor* GetUpload(grpc::CallbackServerContext* context,
                                      const v1::GetUploadRequest* request,
                                      v1::GetUploadResponse* response) override;
  grpc::ServerUnaryReactor* MakeDirectory(grpc::CallbackServerContext* context,
                                          const v1::MakeDirectoryRequest* request,
                                          v1::MakeDirectoryResponse* response) override;
  grpc::ServerUnaryReactor* MakeSymlink(grpc::CallbackServerContext* context,
                                        const v1::MakeSymlinkRequest* request,
                                        v1::MakeSymlinkResponse* response) override;
  grpc::ServerUnaryReactor* MoveFile(grpc::CallbackServerContext* context,
                                     const v1::MoveFileRequest* request,
                                     v1::MoveFileResponse* response) override;
  grpc::ServerUnaryReactor* RemoveFile(grpc::CallbackServerContext* context,
                                       const v1::RemoveFileRequest* request,
                                       v1::RemoveFileResponse* response) override;
  grpc::ServerUnaryReactor* SetFileAttributes(grpc::CallbackServerContext* context,
                                              const v1::SetFileAttributesRequest* request,
                                              v1::SetFileAttributesResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchFileResponse>* WatchFile(
      grpc::CallbackServerContext* context, const v1::WatchFileRequest* request) override;

 private:
  // Of a call whose answer is the file.
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* AnswerWithFile(grpc::CallbackServerContext* context,
                                           const Request* request, Response* response);

  asio::io_context& loop_;
  Executor& executor_;
  IoPool& pool_;
  const Identity identity_;
};

}  // namespace nacre
