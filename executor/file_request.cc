#include "executor/file_request.h"

namespace nacre {

const char* ToString(FileVerb verb) {
  switch (verb) {
    case FileVerb::kStat:
      return "stat_file";
    case FileVerb::kList:
      return "list_directory";
    case FileVerb::kRead:
      return "read_file";
    case FileVerb::kWrite:
      return "write_file";
    case FileVerb::kMakeDirectory:
      return "make_directory";
    case FileVerb::kMakeSymlink:
      return "make_symlink";
    case FileVerb::kMove:
      return "move_file";
    case FileVerb::kRemove:
      return "remove_file";
    case FileVerb::kSetAttributes:
      return "set_file_attributes";
    case FileVerb::kWatch:
      return "watch_file";
  }
  return "";
}

bool IsAudited(FileVerb verb) { return verb != FileVerb::kStat && verb != FileVerb::kList; }

std::vector<files::v1::Path> PathsOf(const FileRequest& request) {
  using Operation = files::v1::Request;
  const Operation& operation = request.operation;
  switch (operation.operation_case()) {
    case Operation::kStat:
      return {operation.stat().path()};
    case Operation::kList:
      return {operation.list().path()};
    case Operation::kOpenRead:
      return {operation.open_read().path()};
    case Operation::kOpenWrite:
      return {operation.open_write().path()};
    case Operation::kMakeDirectory:
      return {operation.make_directory().path()};
    case Operation::kMakeSymlink:
      return {operation.make_symlink().path()};
    case Operation::kMove:
      return {operation.move().from(), operation.move().to()};
    case Operation::kRemove:
      return {operation.remove().path()};
    case Operation::kSetAttributes:
      return {operation.set_attributes().path()};
    case Operation::kWatch:
      return {operation.watch().path()};
    case Operation::kFindUpload:
      return {operation.find_upload().path()};
    case Operation::kCommit:
    case Operation::kDiscard:
    case Operation::OPERATION_NOT_SET:
      return {};
  }
  return {};
}

}  // namespace nacre
