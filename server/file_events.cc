#include "server/file_events.h"

#include <google/protobuf/stubs/common.h>
#include <sys/inotify.h>

#include <array>
#include <cstring>
#include <string>

namespace nacre {
namespace {

struct Kind {
  uint32_t mask;
  v1::FileEventKind kind;
};

constexpr std::array kKinds = {Kind{IN_CREATE, v1::FILE_EVENT_KIND_CREATED},
                               Kind{IN_MODIFY, v1::FILE_EVENT_KIND_WRITTEN},
                               Kind{IN_CLOSE_WRITE, v1::FILE_EVENT_KIND_CLOSED},
                               Kind{IN_ATTRIB, v1::FILE_EVENT_KIND_ATTRIBUTES},
                               Kind{IN_DELETE, v1::FILE_EVENT_KIND_REMOVED},
                               Kind{IN_DELETE_SELF, v1::FILE_EVENT_KIND_REMOVED},
                               Kind{IN_UNMOUNT, v1::FILE_EVENT_KIND_REMOVED},
                               Kind{IN_MOVED_FROM, v1::FILE_EVENT_KIND_MOVED_OUT},
                               Kind{IN_MOVE_SELF, v1::FILE_EVENT_KIND_MOVED_OUT},
                               Kind{IN_MOVED_TO, v1::FILE_EVENT_KIND_MOVED_IN}};

void Describe(const inotify_event& event, const std::string& name, v1::FileEvent* file) {
  for (const Kind& kind : kKinds) {
    if ((event.mask & kind.mask) != 0) file->set_kind(kind.kind);
  }
  const bool utf8 = google::protobuf::internal::IsStructurallyValidUTF8(
      name.data(), static_cast<int>(name.size()));
  (utf8 ? file->mutable_name() : file->mutable_name_bytes())->assign(name);
  file->set_directory((event.mask & IN_ISDIR) != 0);
  file->set_move(event.cookie);
}

}  // namespace

FileEvents ToFileEvents(std::string_view bytes) {
  FileEvents result;
  while (bytes.size() >= sizeof(inotify_event)) {
    inotify_event event;
    std::memcpy(&event, bytes.data(), sizeof(event));
    bytes.remove_prefix(sizeof(event));
    if (event.len > bytes.size()) break;
    const std::string_view padded = bytes.substr(0, event.len);
    const std::string name(padded.substr(0, padded.find('\0')));
    bytes.remove_prefix(event.len);
    if ((event.mask & IN_IGNORED) != 0) {
      result.over = true;
    } else if ((event.mask & IN_Q_OVERFLOW) != 0) {
      result.events.emplace_back().mutable_overflow();
    } else {
      Describe(event, name, result.events.emplace_back().mutable_file());
    }
    // Another name, and perhaps another directory: what happens there is not what was asked for.
    if ((event.mask & (IN_MOVE_SELF | IN_UNMOUNT)) != 0) result.over = true;
    if (result.over) break;
  }
  return result;
}

}  // namespace nacre
