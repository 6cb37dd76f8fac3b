#include "client/cli/copy/job.h"

#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "client/cli/descriptors.h"
#include "client/cli/remote_path.h"
#include "client/cli/table.h"

namespace nacre::cli {

namespace {

// Marks the errors of a disk that takes nothing more: the next file can't be written either.
constexpr char kNoRoom[] = "nacre/no-room";

bool IsNoRoom(const absl::Status& status) {
  const std::string reason = client::ErrorReason(status);
  return status.GetPayload(kNoRoom).has_value() || reason == "NO_SPACE" ||
         reason == "QUOTA_EXCEEDED" || reason == "READ_ONLY";
}

}  // namespace

absl::Status LocalError(int error) {
  absl::Status status(absl::ErrnoToStatusCode(error), std::generic_category().message(error));
  if (error == ENOSPC || error == EDQUOT || error == EROFS)
    status.SetPayload(kNoRoom, absl::Cord());
  return status;
}

Job::Job(const client::Client& client, client::FilesOptions files, const CopyOptions& options,
         Progress& progress)
    : client_(client),
      files_options_(std::move(files)),
      files_(client, files_options_),
      options_(options),
      progress_(progress),
      pool_(static_cast<size_t>(options.calls)) {}

client::Files Job::FilesBelow(const std::string& root) const {
  return client::Files(client_, {.root = root, .run_as = files_options_.run_as});
}

void Job::FailLocal(std::string_view path, const absl::Status& status) {
  Fail(absl::StrCat(std::string(path), ": ", status.message()), IsNoRoom(status));
}

void Job::FailRemote(std::string_view path, const absl::Status& status) {
  const bool lost = absl::IsUnavailable(status) || absl::IsUnimplemented(status);
  Fail(Explain(path, status), lost || IsNoRoom(status));
  if (lost) Stop();
}

// What follows from having stopped is not told.
void Job::Fail(std::string_view message, bool last) {
  failed_ = true;
  const std::lock_guard lock(fail_mutex_);
  if (!stopped_) progress_.Say(message);
  if (last) stopped_ = true;
}

void Job::Warn(std::string_view message) {
  failed_ = true;
  progress_.Say(message);
}

void Job::Done(std::string_view name, std::string_view xxh3_128) {
  progress_.AddFile();
  if (!options_.checksum) return;
  const std::lock_guard lock(output_mutex_);
  const std::string line =
      absl::StrCat(absl::BytesToHexString(absl::string_view(xxh3_128.data(), xxh3_128.size())),
                   "  ", Printable(name), "\n");
  if (WriteAll(STDOUT_FILENO, line) != 0) failed_ = true;
}

}  // namespace nacre::cli
