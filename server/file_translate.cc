#include "server/file_translate.h"

#include <google/protobuf/stubs/common.h>
#include <sys/stat.h>

#include <algorithm>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "executor/errors.h"

namespace nacre {
namespace {

// Linux's PATH_MAX counts the NUL.
constexpr size_t kMaxPath = 4095;
constexpr uint32_t kPermissionBits = 0777, kAllBits = 07777;
constexpr uint32_t kDefaultDirectoryMode = 0755;
constexpr uint32_t kMaxPage = 1000;
constexpr size_t kMaxResumeId = 64;
constexpr int64_t kMaxNanos = 999'999'999;
// Years 1 to 9999: google.protobuf.Timestamp.
constexpr int64_t kMinSeconds = -62'135'596'800, kMaxSeconds = 253'402'300'799;

bool IsUtf8(const std::string& text) {
  return google::protobuf::internal::IsStructurallyValidUTF8(text.data(),
                                                             static_cast<int>(text.size()));
}

// The one of two fields that is set.
absl::StatusOr<std::string> OneOf(const std::string& text, const std::string& bytes,
                                  const std::string& field) {
  if (!text.empty() && !bytes.empty()) {
    return InvalidField(field, absl::StrCat("stands beside ", field, "_bytes; give one of them"));
  }
  const std::string& value = text.empty() ? bytes : text;
  if (value.size() > kMaxPath) {
    return InvalidField(field,
                        absl::StrFormat("%d bytes: a path has at most %d", value.size(), kMaxPath));
  }
  if (value.find('\0') != std::string::npos) return InvalidField(field, "holds a NUL byte");
  return value;
}

void SetText(const std::string& value, std::string* text, std::string* bytes) {
  (IsUtf8(value) ? text : bytes)->assign(value);
}

v1::FileType ToType(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return v1::FILE_TYPE_REGULAR;
    case S_IFDIR:
      return v1::FILE_TYPE_DIRECTORY;
    case S_IFLNK:
      return v1::FILE_TYPE_SYMLINK;
    case S_IFIFO:
      return v1::FILE_TYPE_FIFO;
    case S_IFSOCK:
      return v1::FILE_TYPE_SOCKET;
    case S_IFCHR:
      return v1::FILE_TYPE_CHARACTER_DEVICE;
    case S_IFBLK:
      return v1::FILE_TYPE_BLOCK_DEVICE;
    default:
      return v1::FILE_TYPE_UNSPECIFIED;
  }
}

// A request of `verb` whose operation's path is that of `request`.
template <typename Request, typename Operation>
absl::StatusOr<FileRequest> Begin(FileVerb verb, const Request& request,
                                  Operation* (files::v1::Request::*mutable_operation)()) {
  FileRequest result{.verb = verb, .run_as = request.run_as(), .operation = {}};
  auto path = ToPath(request.path(), "path");
  if (!path.ok()) return path.status();
  *(result.operation.*mutable_operation)()->mutable_path() = *std::move(path);
  return result;
}

}  // namespace

absl::StatusOr<files::v1::Path> ToPath(const v1::FilePath& path, const std::string& field) {
  auto name = OneOf(path.path(), path.path_bytes(), field + ".path");
  if (!name.ok()) return name.status();
  if (name->empty()) return InvalidField(field + ".path", "is required");
  auto root = OneOf(path.root(), path.root_bytes(), field + ".root");
  if (!root.ok()) return root.status();
  files::v1::Path result;
  result.set_path(*std::move(name));
  result.set_root(*std::move(root));
  return result;
}

absl::StatusOr<uint32_t> ToMode(uint32_t mode, bool special_bits) {
  if ((mode & ~kAllBits) != 0) {
    return InvalidField("mode", absl::StrFormat("octal %o has more than permission bits", mode));
  }
  return mode & (special_bits ? kAllBits : kPermissionBits);
}

absl::StatusOr<files::v1::Time> ToTime(const google::protobuf::Timestamp& time, const char* field) {
  if (time.nanos() < 0 || time.nanos() > kMaxNanos) {
    return InvalidField(field, "nanos are 0 to 999,999,999");
  }
  if (time.seconds() < kMinSeconds || time.seconds() > kMaxSeconds) {
    return InvalidField(field, "is not within the years 1 to 9999");
  }
  files::v1::Time result;
  result.set_seconds(time.seconds());
  result.set_nanos(static_cast<uint32_t>(time.nanos()));
  return result;
}

absl::Status CheckResumeId(const std::string& id) {
  const bool right =
      id.size() <= kMaxResumeId && std::all_of(id.begin(), id.end(), [](char c) {
        return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-';
      });
  if (right) return absl::OkStatus();
  return InvalidField("resume_id", "is 1 to 64 of the characters A-Z a-z 0-9 _ -");
}

std::string VersionOf(const files::v1::Entry& entry) {
  return absl::StrFormat("%x-%x-%x-%x.%x-%x.%x", entry.device(), entry.inode(), entry.size(),
                         entry.modified().seconds(), entry.modified().nanos(),
                         entry.changed().seconds(), entry.changed().nanos());
}

v1::File ToFile(const files::v1::Entry& entry) {
  v1::File file;
  SetText(entry.name(), file.mutable_name(), file.mutable_name_bytes());
  if (entry.mode() == 0) return file;
  file.set_type(ToType(entry.mode()));
  file.set_size(entry.size());
  file.set_allocated_bytes(entry.allocated_bytes());
  file.set_mode(entry.mode() & kAllBits);
  file.mutable_modify_time()->set_seconds(entry.modified().seconds());
  file.mutable_modify_time()->set_nanos(static_cast<int32_t>(entry.modified().nanos()));
  file.set_uid(entry.uid());
  file.set_gid(entry.gid());
  file.set_links(entry.links());
  file.set_inode(entry.inode());
  file.set_device(entry.device());
  SetText(entry.link_target(), file.mutable_link_target(), file.mutable_link_target_bytes());
  file.set_version(VersionOf(entry));
  return file;
}

absl::StatusOr<FileRequest> ToFileRequest(const v1::StatFileRequest& request) {
  auto result = Begin(FileVerb::kStat, request, &files::v1::Request::mutable_stat);
  if (result.ok()) result->operation.mutable_stat()->set_follow(request.follow());
  return result;
}

absl::StatusOr<FileRequest> ToFileRequest(const v1::ListDirectoryRequest& request) {
  auto result = Begin(FileVerb::kList, request, &files::v1::Request::mutable_list);
  if (!result.ok()) return result;
  files::v1::List* list = result->operation.mutable_list();
  uint64_t from = 0;
  if (!request.page_token().empty()) {
    if (!absl::SimpleAtoi(request.page_token(), &from)) {
      return InvalidField("page_token", "is none that a list has returned");
    }
    list->set_from(from);
  }
  list->set_limit(request.page_size() == 0 ? kMaxPage : std::min(request.page_size(), kMaxPage));
  return result;
}

absl::StatusOr<FileRequest> ToFileRequest(const v1::ReadFileRequest& request) {
  return Begin(FileVerb::kRead, request, &files::v1::Request::mutable_open_read);
}

absl::StatusOr<FileRequest> ToFileRequest(const v1::WriteStart& start) {
  if (absl::Status status = CheckResumeId(start.resume_id()); !status.ok()) return status;
  if (start.offset() > 0 && start.resume_id().empty()) {
    return InvalidField("start.offset", "wants a resume_id");
  }
  if (auto mode = ToMode(start.mode(), true); !mode.ok()) return mode.status();
  if (auto time = ToTime(start.modify_time(), "start.modify_time"); !time.ok()) {
    return time.status();
  }
  if (!v1::FileSync_IsValid(start.sync())) {
    return InvalidField("start.sync", "is no value of this enum");
  }
  auto result = Begin(FileVerb::kWrite, start, &files::v1::Request::mutable_open_write);
  if (!result.ok()) return result;
  if (start.has_mode()) result->mode = *ToMode(start.mode(), start.special_bits());
  files::v1::OpenWrite* open = result->operation.mutable_open_write();
  open->set_must_not_exist(start.must_not_exist());
  open->set_resume_id(start.resume_id());
  open->set_offset(start.offset());
  return result;
}

absl::StatusOr<FileRequest> ToFileRequest(const v1::GetUploadRequest& request) {
  if (request.resume_id().empty()) return InvalidField("resume_id", "is required");
  if (absl::Status status = CheckResumeId(request.resume_id()); !status.ok()) return status;
  auto result = Begin(FileVerb::kStat, request, &files::v1::Request::mutable_find_upload);
  if (result.ok()) result->operation.mutable_find_upload()->set_resume_id(request.resume_id());
  return result;
}

absl::StatusOr<FileRequest> ToFileRequest(const v1::MakeDirectoryRequest& request) {
  auto mode =
      ToMode(request.has_mode() ? request.mode() : kDefaultDirectoryMode, request.special_bits());
  if (!mode.ok()) return mode.status();
  auto result =
      Begin(FileVerb::kMakeDirectory, request, &files::v1::Request::mutable_make_directory);
  if (!result.ok()) return result;
  result->operation.mutable_make_directory()->set_mode(*mode);
  result->operation.mutable_make_directory()->set_parents(request.parents());
  return result;
}

absl::StatusOr<FileRequest> ToFileRequest(const v1::MakeSymlinkRequest& request) {
  auto target = OneOf(request.target(), request.target_bytes(), "target");
  if (!target.ok()) return target.status();
  if (target->empty()) return InvalidField("target", "is required");
  auto result = Begin(FileVerb::kMakeSymlink, request, &files::v1::Request::mutable_make_symlink);
  if (!result.ok()) return result;
  result->operation.mutable_make_symlink()->set_target(*std::move(target));
  result->operation.mutable_make_symlink()->set_replace(request.replace());
  return result;
}

absl::StatusOr<FileRequest> ToFileRequest(const v1::MoveFileRequest& request) {
  auto from = ToPath(request.from(), "from");
  if (!from.ok()) return from.status();
  auto to = ToPath(request.to(), "to");
  if (!to.ok()) return to.status();
  FileRequest result{.verb = FileVerb::kMove, .run_as = request.run_as(), .operation = {}};
  files::v1::Move* move = result.operation.mutable_move();
  *move->mutable_from() = *std::move(from);
  *move->mutable_to() = *std::move(to);
  move->set_must_not_exist(request.must_not_exist());
  return result;
}

absl::StatusOr<FileRequest> ToFileRequest(const v1::RemoveFileRequest& request) {
  auto result = Begin(FileVerb::kRemove, request, &files::v1::Request::mutable_remove);
  if (result.ok()) result->operation.mutable_remove()->set_recursive(request.recursive());
  return result;
}

absl::StatusOr<FileRequest> ToFileRequest(const v1::SetFileAttributesRequest& request) {
  auto result =
      Begin(FileVerb::kSetAttributes, request, &files::v1::Request::mutable_set_attributes);
  if (!result.ok()) return result;
  files::v1::SetAttributes* set = result->operation.mutable_set_attributes();
  if (request.has_mode()) {
    auto mode = ToMode(request.mode(), request.special_bits());
    if (!mode.ok()) return mode.status();
    set->set_mode(*mode);
  }
  if (request.has_modify_time()) {
    auto time = ToTime(request.modify_time(), "modify_time");
    if (!time.ok()) return time.status();
    *set->mutable_modified() = *time;
  }
  return result;
}

absl::StatusOr<FileRequest> ToFileRequest(const v1::WatchFileRequest& request) {
  return Begin(FileVerb::kWatch, request, &files::v1::Request::mutable_watch);
}

}  // namespace nacre
