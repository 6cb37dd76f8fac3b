#include "server/file_service.h"

#include "absl/strings/str_cat.h"
#include "server/file_calls.h"
#include "server/read_file_reactor.h"
#include "server/watch_file_reactor.h"
#include "server/write_file_reactor.h"

namespace nacre {

template <typename Request, typename Response>
grpc::ServerUnaryReactor* FileService::AnswerWithFile(grpc::CallbackServerContext* context,
                                                      const Request* request, Response* response) {
  return AnswerFileCall(loop_, executor_, identity_, context, *request,
                        [response](const Files::Answer& answer) {
                          *response->mutable_file() = ToFile(answer.reply.reply.entry());
                          return absl::OkStatus();
                        });
}

grpc::ServerUnaryReactor* FileService::StatFile(grpc::CallbackServerContext* context,
                                                const v1::StatFileRequest* request,
                                                v1::StatFileResponse* response) {
  return AnswerWithFile(context, request, response);
}

grpc::ServerUnaryReactor* FileService::ListDirectory(grpc::CallbackServerContext* context,
                                                     const v1::ListDirectoryRequest* request,
                                                     v1::ListDirectoryResponse* response) {
  return AnswerFileCall(loop_, executor_, identity_, context, *request,
                        [response](const Files::Answer& answer) {
                          const files::v1::Reply& page = answer.reply.reply;
                          for (const files::v1::Entry& entry : page.entries()) {
                            *response->add_entries() = ToFile(entry);
                          }
                          if (page.has_next()) {
                            response->set_next_page_token(absl::StrCat(page.next()));
                          }
                          return absl::OkStatus();
                        });
}

grpc::ServerWriteReactor<v1::ReadFileResponse>* FileService::ReadFile(
    grpc::CallbackServerContext* /*context*/, const v1::ReadFileRequest* request) {
  return new ReadFileReactor(loop_, executor_, pool_, identity_, *request);
}

grpc::ServerReadReactor<v1::WriteFileRequest>* FileService::WriteFile(
    grpc::CallbackServerContext* /*context*/, v1::WriteFileResponse* response) {
  return new WriteFileReactor(loop_, executor_, pool_, identity_, response);
}

grpc::ServerUnaryReactor* FileService::GetUpload(grpc::CallbackServerContext* context,
                                                 const v1::GetUploadRequest* request,
                                                 v1::GetUploadResponse* response) {
  return AnswerFileCall(loop_, executor_, identity_, context, *request,
                        [response](const Files::Answer& answer) {
                          response->set_size(answer.reply.reply.size());
                          return absl::OkStatus();
                        });
}

grpc::ServerUnaryReactor* FileService::MakeDirectory(grpc::CallbackServerContext* context,
                                                     const v1::MakeDirectoryRequest* request,
                                                     v1::MakeDirectoryResponse* response) {
  return AnswerWithFile(context, request, response);
}

grpc::ServerUnaryReactor* FileService::MakeSymlink(grpc::CallbackServerContext* context,
                                                   const v1::MakeSymlinkRequest* request,
                                                   v1::MakeSymlinkResponse* response) {
  return AnswerWithFile(context, request, response);
}

grpc::ServerUnaryReactor* FileService::MoveFile(grpc::CallbackServerContext* context,
                                                const v1::MoveFileRequest* request,
                                                v1::MoveFileResponse* /*response*/) {
  return AnswerFileCall(loop_, executor_, identity_, context, *request,
                        [](const Files::Answer& /*answer*/) { return absl::OkStatus(); });
}

grpc::ServerUnaryReactor* FileService::RemoveFile(grpc::CallbackServerContext* /*context*/,
                                                  const v1::RemoveFileRequest* request,
                                                  v1::RemoveFileResponse* response) {
  return new RemoveFileCall(loop_, executor_, identity_, *request, response);
}

grpc::ServerUnaryReactor* FileService::SetFileAttributes(
    grpc::CallbackServerContext* context, const v1::SetFileAttributesRequest* request,
    v1::SetFileAttributesResponse* response) {
  return AnswerWithFile(context, request, response);
}

grpc::ServerWriteReactor<v1::WatchFileResponse>* FileService::WatchFile(
    grpc::CallbackServerContext* /*context*/, const v1::WatchFileRequest* request) {
  return new WatchFileReactor(loop_, executor_, identity_, *request);
}

}  // namespace nacre
