#include "tests/client/fake_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>

#include "absl/time/clock.h"
#include "base/unique_fd.h"
#include "client/file_hash.h"
#include "client/utf8.h"

namespace nacre::client {
namespace {

grpc::Status FromErrno(int error) {
  const std::string text = std::strerror(error);
  switch (error) {
    case ENOENT:
      return ErrorWithReason(grpc::StatusCode::NOT_FOUND, "there is no such file",
                             "FILE_NOT_FOUND");
    case EEXIST:
      return ErrorWithReason(grpc::StatusCode::ALREADY_EXISTS, text, "FILE_EXISTS");
    case EACCES:
      return ErrorWithReason(grpc::StatusCode::PERMISSION_DENIED, text, "FILE_ACCESS_DENIED");
    case EISDIR:
      return ErrorWithReason(grpc::StatusCode::FAILED_PRECONDITION, text, "IS_A_DIRECTORY");
    case ENOTEMPTY:
      return ErrorWithReason(grpc::StatusCode::FAILED_PRECONDITION, text, "DIRECTORY_NOT_EMPTY");
    default:
      return {grpc::StatusCode::FAILED_PRECONDITION, text};
  }
}

v1::FileType TypeOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return v1::FILE_TYPE_REGULAR;
    case S_IFDIR:
      return v1::FILE_TYPE_DIRECTORY;
    case S_IFLNK:
      return v1::FILE_TYPE_SYMLINK;
    case S_IFIFO:
      return v1::FILE_TYPE_FIFO;
    default:
      return v1::FILE_TYPE_UNSPECIFIED;
  }
}

grpc::Status Describe(const std::string& path, bool follow, v1::File* file) {
  struct stat found {};
  if (::fstatat(AT_FDCWD, path.c_str(), &found, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
    return FromErrno(errno);
  }
  const std::string name = std::filesystem::path(path).filename().string();
  IsUtf8(name) ? file->set_name(name) : file->set_name_bytes(name);
  file->set_type(TypeOf(found.st_mode));
  file->set_size(static_cast<uint64_t>(found.st_size));
  file->set_allocated_bytes(static_cast<uint64_t>(found.st_blocks) * 512);
  file->set_mode(found.st_mode & 07777);
  file->mutable_modify_time()->set_seconds(found.st_mtim.tv_sec);
  file->mutable_modify_time()->set_nanos(static_cast<int32_t>(found.st_mtim.tv_nsec));
  file->set_uid(found.st_uid);
  file->set_gid(found.st_gid);
  file->set_links(found.st_nlink);
  file->set_inode(found.st_ino);
  file->set_device(found.st_dev);
  file->set_version(std::to_string(found.st_ino) + "." + std::to_string(found.st_size) + "." +
                    std::to_string(found.st_mtim.tv_sec) + "." +
                    std::to_string(found.st_mtim.tv_nsec));
  if (S_ISLNK(found.st_mode)) {
    std::array<char, PATH_MAX> target{};
    const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
    file->set_link_target(target.data(), static_cast<size_t>(std::max<ssize_t>(size, 0)));
  }
  return grpc::Status::OK;
}

template <typename Request>
uint32_t ModeOf(const Request& request, uint32_t otherwise) {
  if (!request.has_mode()) return otherwise;
  return request.mode() & (request.special_bits() ? 07777 : 0777);
}

void SetTime(const std::string& path, const google::protobuf::Timestamp& time) {
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                             {.tv_sec = time.seconds(), .tv_nsec = time.nanos()}};
  (void)::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

}  // namespace

class FakeFiles::Service : public v1::FileService::Service {
 public:
  explicit Service(FakeFiles& node) : node_(node) {}

  grpc::Status StatFile(grpc::ServerContext* /*context*/, const v1::StatFileRequest* request,
                        v1::StatFileResponse* response) override {
    return Describe(Real(request->path()), request->follow(), response->mutable_file());
  }

  grpc::Status ListDirectory(grpc::ServerContext* /*context*/,
                             const v1::ListDirectoryRequest* request,
                             v1::ListDirectoryResponse* response) override {
    const std::string path = Real(request->path());
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) return FromErrno(errno);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(directory)) names.emplace_back(entry->d_name);
    ::closedir(directory);
    const size_t page = request->page_size() == 0 ? 1000 : request->page_size();
    size_t at = request->page_token().empty() ? 0 : std::stoul(request->page_token());
    if (node_.faults.empty_pages > 0) {
      --node_.faults.empty_pages;
      response->set_next_page_token("0");
      return grpc::Status::OK;
    }
    if (at == 0) {
      for (const v1::File& file : node_.invented) *response->add_entries() = file;
    }
    for (const size_t end = at + page; at < names.size() && at < end; ++at) {
      if (names[at] == "." || names[at] == "..") continue;
      (void)Describe(path + "/" + names[at], false, response->add_entries());
    }
    if (at < names.size()) response->set_next_page_token(std::to_string(at));
    return grpc::Status::OK;
  }

  grpc::Status ReadFile(grpc::ServerContext* context, const v1::ReadFileRequest* request,
                        grpc::ServerWriter<v1::ReadFileResponse>* stream) override {
    ++node_.read_calls;
    const std::string path = Real(request->path());
    v1::ReadFileResponse response;
    grpc::Status status = Describe(path, true, response.mutable_head());
    if (!status.ok()) return status;
    if (response.head().type() == v1::FILE_TYPE_DIRECTORY) return FromErrno(EISDIR);
    if (!request->expected_version().empty() &&
        request->expected_version() != response.head().version()) {
      return ErrorWithReason(grpc::StatusCode::FAILED_PRECONDITION, "the file has changed",
                             "FILE_CHANGED");
    }
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) return FromErrno(errno);
    const uint64_t size = response.head().size();
    stream->Write(response);
    const uint64_t end =
        request->has_length() ? std::min(size, request->offset() + request->length()) : size;
    return Send(*context, fd.get(), request->offset(), end, request->accept_holes(), *stream);
  }

  grpc::Status WriteFile(grpc::ServerContext* context,
                         grpc::ServerReader<v1::WriteFileRequest>* stream,
                         v1::WriteFileResponse* response) override {
    v1::WriteFileRequest request;
    if (!stream->Read(&request) || !request.has_start()) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "no start"};
    }
    ++node_.write_messages;
    const v1::WriteStart start = request.start();
    {
      const std::lock_guard lock(node_.mutex);
      node_.last_start = start;
      node_.last_path = start.path();
    }
    if (node_.faults.no_space) {
      return ErrorWithReason(grpc::StatusCode::RESOURCE_EXHAUSTED, "the disk is full", "NO_SPACE");
    }
    const std::string path = Real(start.path());
    struct stat found {};
    const bool exists = ::lstat(path.c_str(), &found) == 0;
    if (exists && start.must_not_exist()) return FromErrno(EEXIST);
    if (exists && S_ISDIR(found.st_mode)) return FromErrno(EISDIR);
    const std::string temporary = Partial(path, start.resume_id());
    const UniqueFd fd(::open(temporary.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd.valid()) return FromErrno(errno);
    grpc::Status status = Take(*context, fd.get(), start, request, *stream);
    if (!status.ok()) {
      if (start.resume_id().empty() || status.error_code() != grpc::StatusCode::UNAVAILABLE) {
        (void)::unlink(temporary.c_str());
      }
      return status;
    }
    (void)::fchmod(fd.get(), ModeOf(start, exists ? found.st_mode & 07777 : 0644));
    if (start.has_modify_time()) SetTime(temporary, start.modify_time());
    if (::rename(temporary.c_str(), path.c_str()) != 0) return FromErrno(errno);
    return Answer(Describe(path, false, response->mutable_file()));
  }

  grpc::Status GetUpload(grpc::ServerContext* /*context*/, const v1::GetUploadRequest* request,
                         v1::GetUploadResponse* response) override {
    struct stat found {};
    if (::stat(Partial(Real(request->path()), request->resume_id()).c_str(), &found) != 0) {
      return ErrorWithReason(grpc::StatusCode::NOT_FOUND, "no upload", "UPLOAD_NOT_FOUND");
    }
    response->set_size(static_cast<uint64_t>(found.st_size));
    return grpc::Status::OK;
  }

  grpc::Status MakeDirectory(grpc::ServerContext* /*context*/,
                             const v1::MakeDirectoryRequest* request,
                             v1::MakeDirectoryResponse* response) override {
    const std::string path = Real(request->path());
    if (request->parents()) {
      std::error_code error;
      std::filesystem::create_directories(path, error);
    } else if (::mkdir(path.c_str(), 0700) != 0) {
      return FromErrno(errno);
    }
    (void)::chmod(path.c_str(), ModeOf(*request, 0755));
    return Answer(Describe(path, false, response->mutable_file()));
  }

  grpc::Status MakeSymlink(grpc::ServerContext* /*context*/, const v1::MakeSymlinkRequest* request,
                           v1::MakeSymlinkResponse* response) override {
    const std::string path = Real(request->path());
    const std::string& target =
        request->target_bytes().empty() ? request->target() : request->target_bytes();
    if (request->replace()) (void)::unlink(path.c_str());
    if (::symlink(target.c_str(), path.c_str()) != 0) return FromErrno(errno);
    return Answer(Describe(path, false, response->mutable_file()));
  }

  grpc::Status MoveFile(grpc::ServerContext* /*context*/, const v1::MoveFileRequest* request,
                        v1::MoveFileResponse* /*response*/) override {
    const unsigned flags = request->must_not_exist() ? RENAME_NOREPLACE : 0;
    if (::renameat2(AT_FDCWD, Real(request->from()).c_str(), AT_FDCWD, Real(request->to()).c_str(),
                    flags) != 0) {
      return FromErrno(errno);
    }
    return Answer(grpc::Status::OK);
  }

  grpc::Status RemoveFile(grpc::ServerContext* /*context*/, const v1::RemoveFileRequest* request,
                          v1::RemoveFileResponse* response) override {
    const std::string path = Real(request->path());
    std::error_code error;
    if (request->recursive()) {
      response->set_removed(std::filesystem::remove_all(path, error));
      return Answer(grpc::Status::OK);
    }
    if (::remove(path.c_str()) != 0) {
      return errno == ENOENT && request->may_be_missing() ? grpc::Status::OK : FromErrno(errno);
    }
    response->set_removed(1);
    return Answer(grpc::Status::OK);
  }

  grpc::Status SetFileAttributes(grpc::ServerContext* /*context*/,
                                 const v1::SetFileAttributesRequest* request,
                                 v1::SetFileAttributesResponse* response) override {
    const std::string path = Real(request->path());
    if (request->has_modify_time()) SetTime(path, request->modify_time());
    if (request->has_mode() && ::chmod(path.c_str(), ModeOf(*request, 0)) != 0) {
      return FromErrno(errno);
    }
    return Describe(path, false, response->mutable_file());
  }

  grpc::Status WatchFile(grpc::ServerContext* /*context*/, const v1::WatchFileRequest* /*request*/,
                         grpc::ServerWriter<v1::WatchFileResponse>* stream) override {
    v1::WatchFileResponse response;
    response.mutable_watching();
    stream->Write(response);
    response.mutable_file()->set_kind(v1::FILE_EVENT_KIND_CREATED);
    response.mutable_file()->set_name("new\n");
    stream->Write(response);
    if (node_.faults.watch_losses-- > 0) return ConnectionLost();
    return ErrorWithReason(grpc::StatusCode::FAILED_PRECONDITION, "it is gone", "WATCH_ENDED");
  }

 private:
  std::string Real(const v1::FilePath& path) const {
    const std::string& root = path.root_bytes().empty() ? path.root() : path.root_bytes();
    return node_.directory() + "/" + root + "/" +
           (path.path_bytes().empty() ? path.path() : path.path_bytes());
  }

  static std::string Partial(const std::string& path, const std::string& id) {
    const std::filesystem::path whole(path);
    return whole.parent_path().string() + "/.nacre-upload-" +
           (id.empty() ? "t" + whole.filename().string() : id);
  }

  // The answer to a call that was obeyed.
  grpc::Status Answer(const grpc::Status& status) const {
    if (node_.faults.lose_answers <= 0) return status;
    --node_.faults.lose_answers;
    return ConnectionLost();
  }

  void Stall(const grpc::ServerContext& context) const {
    node_.faults.stalled = true;
    while (!context.IsCancelled()) ::usleep(1000);
    node_.faults.stalled = false;
  }

  grpc::Status Send(const grpc::ServerContext& context, int fd, uint64_t offset, uint64_t end,
                    bool accept_holes, grpc::ServerWriter<v1::ReadFileResponse>& stream) const {
    FileHash hash;
    std::string buffer(64 << 10, '\0');
    const int64_t lose_after = node_.faults.lose_read_after.exchange(-1);
    const int64_t stall_after = node_.faults.stall_read_after.exchange(-1);
    while (offset < end) {
      if (lose_after >= 0 && hash.bytes() >= static_cast<uint64_t>(lose_after)) {
        return ConnectionLost();
      }
      const int64_t fail_at = node_.faults.fail_read_at;
      if (fail_at >= 0 && offset >= static_cast<uint64_t>(fail_at)) {
        node_.faults.fail_read_at = -1;
        return FromErrno(EACCES);
      }
      if (stall_after >= 0 && hash.bytes() >= static_cast<uint64_t>(stall_after)) {
        Stall(context);
        return {grpc::StatusCode::CANCELLED, "left"};
      }
      v1::ReadFileResponse response;
      const off_t data = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
      const uint64_t next = data < 0 ? end : std::min(end, static_cast<uint64_t>(data));
      if (accept_holes && next > offset) {
        response.set_hole(next - offset);
        hash.AddHole(next - offset);
        offset = next;
      } else {
        const ssize_t bytes =
            ::pread(fd, buffer.data(), std::min<uint64_t>(buffer.size(), end - offset),
                    static_cast<off_t>(offset));
        if (bytes <= 0) break;
        response.set_data(buffer.data(), static_cast<size_t>(bytes));
        hash.Add(response.data());
        offset += static_cast<uint64_t>(bytes);
        node_.bytes_read += static_cast<uint64_t>(bytes);
      }
      if (!stream.Write(response)) return {grpc::StatusCode::CANCELLED, "left"};
    }
    v1::ReadFileResponse response;
    response.mutable_end()->set_bytes(hash.bytes());
    response.mutable_end()->set_xxh3_128(hash.Canonical());
    if (node_.faults.wrong_checksum) response.mutable_end()->set_xxh3_128("wrong");
    stream.Write(response);
    return grpc::Status::OK;
  }

  grpc::Status Take(const grpc::ServerContext& context, int fd, const v1::WriteStart& start,
                    v1::WriteFileRequest request,
                    grpc::ServerReader<v1::WriteFileRequest>& stream) const {
    uint64_t offset = start.offset();
    if (::ftruncate(fd, static_cast<off_t>(offset)) != 0) return FromErrno(errno);
    const int64_t lose_after = node_.faults.lose_write_after.exchange(-1);
    const int64_t stall_after = node_.faults.stall_write_after.exchange(-1);
    for (;;) {
      (void)!::pwrite(fd, request.data().data(), request.data().size(), static_cast<off_t>(offset));
      offset += request.data().size() + request.hole();
      node_.bytes_written += request.data().size();
      (void)!::ftruncate(fd, static_cast<off_t>(offset));
      if (lose_after >= 0 && offset >= static_cast<uint64_t>(lose_after)) return ConnectionLost();
      if (stall_after >= 0 && offset >= static_cast<uint64_t>(stall_after)) {
        Stall(context);
        return {grpc::StatusCode::UNAVAILABLE, "left"};
      }
      if (request.has_finish()) break;
      if (!stream.Read(&request)) return {grpc::StatusCode::UNAVAILABLE, "left"};
      ++node_.write_messages;
    }
    FileHash hash;
    std::string buffer(64 << 10, '\0');
    for (ssize_t bytes = 0; (bytes = ::pread(fd, buffer.data(), buffer.size(),
                                             static_cast<off_t>(hash.bytes()))) > 0;) {
      hash.Add({buffer.data(), static_cast<size_t>(bytes)});
    }
    if (hash.bytes() == request.finish().size() &&
        hash.Canonical() == request.finish().xxh3_128()) {
      return grpc::Status::OK;
    }
    return ErrorWithReason(grpc::StatusCode::DATA_LOSS, "the checksum differs",
                           "CHECKSUM_MISMATCH");
  }

  FakeFiles& node_;
};

FakeFiles::FakeFiles() : service_(std::make_unique<Service>(*this)) { Serve(); }

void FakeFiles::Restart(absl::Duration gone) {
  server_->Shutdown(std::chrono::system_clock::now());
  server_.reset();
  absl::SleepFor(gone);
  Serve();
}

void FakeFiles::Serve() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(target(), grpc::InsecureServerCredentials());
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
}

FakeFiles::~FakeFiles() { server_->Shutdown(std::chrono::system_clock::now()); }

}  // namespace nacre::client
