#include "keeper/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "keeper/listeners.h"

namespace nacre::keeper {
namespace {

// How long a start may take to remove what an earlier keeper has left; the next one goes on.
constexpr int64_t kCleaningNs = 1'000'000'000;
// So many sessions take enough memory to give it back to the system once half of them have gone.
constexpr size_t kTrimmed = 1024;

// A file of its own in memory that nobody can change.
absl::StatusOr<UniqueFd> WriteMemory(const SlotPieces& log) {
  UniqueFd fd(memfd_create("nacre-log", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "memfd_create");
  if (absl::Status status = WriteSlot(fd.get(), log); !status.ok()) return status;
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
    return absl::ErrnoToStatus(errno, "F_ADD_SEALS");
  }
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Archive>> Archive::Open(std::string directory, size_t heap_bytes) {
  std::unique_ptr<Archive> archive(new Archive(std::move(directory), heap_bytes));
  if (absl::Status status = MakeDirectory(archive->directory_); !status.ok()) return status;
  if (access(archive->directory_.c_str(), R_OK | W_OK | X_OK) != 0) {
    return absl::ErrnoToStatus(errno, archive->directory_);
  }
  if (absl::Status status = archive->RemoveLeftovers(); !status.ok()) return status;
  return archive;
}

Archive::~Archive() {
  for (const auto& [number, session] : sessions_) Drop(number, session);
}

std::string Archive::PathOf(uint64_t number) const { return absl::StrCat(directory_, "/", number); }

absl::Status Archive::RemoveLeftovers() const {
  const int64_t deadline = MonotonicNs() + kCleaningNs;
  std::error_code error;
  std::filesystem::directory_iterator file(directory_, error), end;
  for (; !error && file != end && MonotonicNs() < deadline; file.increment(error)) {
    const std::string name = file->path().filename();
    if (!std::all_of(name.begin(), name.end(), absl::ascii_isdigit)) continue;
    if (unlink(file->path().c_str()) != 0 && errno != ENOENT && errno != EISDIR) {
      return absl::ErrnoToStatus(errno, file->path().string());
    }
  }
  if (error) return absl::ErrnoToStatus(error.value(), directory_);
  return absl::OkStatus();
}

void Archive::Put(v1::Adopted record, int64_t ended_ns, const SlotPieces& log) {
  const uint64_t number = record.session();
  record.set_archived(true);
  record.clear_slot();
  record.clear_ended_ago_ns();
  sessions_.emplace(number, Session{.record = record.SerializeAsString(),
                                    .ended_ns = ended_ns,
                                    .ring_bytes = record.ring_bytes(),
                                    .log = Keep(number, log)});
  most_ = std::max(most_, sessions_.size());
}

Archive::Log Archive::Keep(uint64_t number, const SlotPieces& log) {
  const size_t bytes = PackedSize(log);
  if (heap_used_ + bytes <= heap_limit_) {
    heap_used_ += bytes;
    return PackPieces(log);
  }
  absl::Status status = WriteFile(PathOf(number), log);
  if (status.ok()) return InFile{};
  const std::string why(status.message());
  if (warnings_.Admit()) {
    const uint64_t others = warnings_.skipped();
    log::Warning("the output of ended session %d is lost: %s%s", number, why,
                 others == 0 ? "" : absl::StrCat(" (and of ", others, " before)"));
  }
  return Lost{why};
}

absl::Status Archive::WriteFile(const std::string& path, const SlotPieces& log) const {
  unlink(path.c_str());  // of an earlier keeper, if any
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, path);
  absl::Status status = WriteSlot(fd.get(), log);
  if (!status.ok()) unlink(path.c_str());
  return status;
}

void Archive::Drop(uint64_t number, const Session& session) {
  if (const auto* packed = std::get_if<std::string>(&session.log)) heap_used_ -= packed->size();
  if (std::holds_alternative<InFile>(session.log)) unlink(PathOf(number).c_str());
}

bool Archive::Forget(uint64_t number) {
  const auto it = sessions_.find(number);
  if (it == sessions_.end()) return false;
  Drop(number, it->second);
  sessions_.erase(it);
  // What many of them took lies in pieces all over the heap.
  if (most_ >= kTrimmed && sessions_.size() < most_ / 2) {
    malloc_trim(0);
    most_ = sessions_.size();
  }
  return true;
}

bool Archive::DescribeNext(uint64_t* number, v1::Adopted* record) const {
  const auto it = sessions_.upper_bound(*number);
  if (it == sessions_.end()) return false;
  *number = it->first;
  record->ParseFromString(it->second.record);
  record->set_ended_ago_ns(static_cast<uint64_t>(MonotonicNs() - it->second.ended_ns));
  return true;
}

UniqueFd Archive::OpenLog(uint64_t number, v1::LogOpened* opened) const {
  opened->set_session(number);
  const auto it = sessions_.find(number);
  if (it == sessions_.end()) {
    opened->set_lost("no such session is archived");
    return UniqueFd();
  }
  const Session& session = it->second;
  opened->set_ring_bytes(session.ring_bytes);
  absl::Status status;
  if (const auto* packed = std::get_if<std::string>(&session.log)) {
    auto memory = WriteMemory(UnpackPieces(*packed));
    if (memory.ok()) return *std::move(memory);
    status = memory.status();
  } else if (const auto* lost = std::get_if<Lost>(&session.log)) {
    opened->set_lost(lost->why);
    return UniqueFd();
  } else {
    UniqueFd file(open(PathOf(number).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (file.valid()) return file;
    status = absl::ErrnoToStatus(errno, PathOf(number));
  }
  opened->set_lost(std::string(status.message()));
  return UniqueFd();
}

}  // namespace nacre::keeper
