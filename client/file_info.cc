#include "client/file_info.h"

#include "client/command.h"
#include "client/termination.h"

namespace nacre::client {
namespace {

FileType FromWire(v1::FileType wire) {
  switch (wire) {
    case v1::FILE_TYPE_REGULAR:
      return FileType::kRegular;
    case v1::FILE_TYPE_DIRECTORY:
      return FileType::kDirectory;
    case v1::FILE_TYPE_SYMLINK:
      return FileType::kSymlink;
    case v1::FILE_TYPE_FIFO:
      return FileType::kFifo;
    case v1::FILE_TYPE_SOCKET:
      return FileType::kSocket;
    case v1::FILE_TYPE_CHARACTER_DEVICE:
      return FileType::kCharacterDevice;
    case v1::FILE_TYPE_BLOCK_DEVICE:
      return FileType::kBlockDevice;
    default:
      return FileType::kOther;
  }
}

FileEventKind FromWire(v1::FileEventKind wire) {
  switch (wire) {
    case v1::FILE_EVENT_KIND_CREATED:
      return FileEventKind::kCreated;
    case v1::FILE_EVENT_KIND_WRITTEN:
      return FileEventKind::kWritten;
    case v1::FILE_EVENT_KIND_CLOSED:
      return FileEventKind::kClosed;
    case v1::FILE_EVENT_KIND_ATTRIBUTES:
      return FileEventKind::kAttributes;
    case v1::FILE_EVENT_KIND_REMOVED:
      return FileEventKind::kRemoved;
    case v1::FILE_EVENT_KIND_MOVED_OUT:
      return FileEventKind::kMovedOut;
    case v1::FILE_EVENT_KIND_MOVED_IN:
      return FileEventKind::kMovedIn;
    default:
      return FileEventKind::kUnknown;
  }
}

const std::string& Either(const std::string& text, const std::string& bytes) {
  return bytes.empty() ? text : bytes;
}

}  // namespace

FileInfo FromWire(const v1::File& wire) {
  return {.name = Either(wire.name(), wire.name_bytes()),
          .type = FromWire(wire.type()),
          .size = wire.size(),
          .allocated_bytes = wire.allocated_bytes(),
          .mode = wire.mode(),
          .modify_time = FromWire(wire.modify_time()),
          .uid = wire.uid(),
          .gid = wire.gid(),
          .links = wire.links(),
          .inode = wire.inode(),
          .device = wire.device(),
          .link_target = Either(wire.link_target(), wire.link_target_bytes()),
          .version = wire.version()};
}

FileEvent FromWire(const v1::FileEvent& wire) {
  return {.kind = FromWire(wire.kind()),
          .name = Either(wire.name(), wire.name_bytes()),
          .directory = wire.directory(),
          .move = wire.move()};
}

v1::FilePath ToWire(const std::string& path, const FilesOptions& options) {
  v1::FilePath wire;
  IsUtf8(path) ? wire.set_path(path) : wire.set_path_bytes(path);
  IsUtf8(options.root) ? wire.set_root(options.root) : wire.set_root_bytes(options.root);
  return wire;
}

google::protobuf::Timestamp ToWire(absl::Time time) {
  google::protobuf::Timestamp wire;
  const int64_t seconds = absl::ToUnixSeconds(time);  // Rounds down.
  wire.set_seconds(seconds);
  wire.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return wire;
}

v1::WriteStart ToWire(const std::string& path, const FilesOptions& files,
                      const WriteOptions& options) {
  v1::WriteStart start;
  *start.mutable_path() = ToWire(path, files);
  if (options.mode.has_value()) start.set_mode(*options.mode);
  start.set_special_bits(options.special_bits);
  if (options.modify_time.has_value()) *start.mutable_modify_time() = ToWire(*options.modify_time);
  start.set_must_not_exist(options.must_not_exist);
  start.set_sync(options.sync == FileSync::kNone ? v1::FILE_SYNC_NONE : v1::FILE_SYNC_CONTENT);
  start.set_run_as(files.run_as);
  return start;
}

std::string_view FileTypeName(FileType type) {
  switch (type) {
    case FileType::kOther:
      return "other";
    case FileType::kRegular:
      return "regular";
    case FileType::kDirectory:
      return "directory";
    case FileType::kSymlink:
      return "symlink";
    case FileType::kFifo:
      return "fifo";
    case FileType::kSocket:
      return "socket";
    case FileType::kCharacterDevice:
      return "character device";
    case FileType::kBlockDevice:
      return "block device";
  }
  return "other";
}

std::string_view FileEventKindName(FileEventKind kind) {
  switch (kind) {
    case FileEventKind::kUnknown:
      return "unknown";
    case FileEventKind::kCreated:
      return "created";
    case FileEventKind::kWritten:
      return "written";
    case FileEventKind::kClosed:
      return "closed";
    case FileEventKind::kAttributes:
      return "attributes";
    case FileEventKind::kRemoved:
      return "removed";
    case FileEventKind::kMovedOut:
      return "moved out";
    case FileEventKind::kMovedIn:
      return "moved in";
  }
  return "unknown";
}

}  // namespace nacre::client
