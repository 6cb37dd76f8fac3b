#include "client/cli/copy/job.h"

#include <unistd.h>

#include <system_error>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "client/cli/descriptors.h"
#include "client/cli/remote_path.h"
#include "client/cli/table.h"

namespace nacre::cli {

absl::Status LocalError(int error) {
  return {absl::ErrnoToStatusCode(error), std::generic_category().message(error)};
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
  Fail(absl::StrCat(std::string(path), ": ", status.message()));
}

void Job::FailRemote(std::string_view path, const absl::Status& status) {
  Fail(Explain(path, status));
  if (absl::IsUnavailable(status) || absl::IsUnimplemented(status)) Stop();
}

// What follows from having stopped is not told.
void Job::Fail(std::string_view message) {
  failed_ = true;
  if (!stopped_) progress_.Say(message);
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
