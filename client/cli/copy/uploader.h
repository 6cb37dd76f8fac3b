// Copying to a node.
#ifndef NACRE_CLIENT_CLI_COPY_UPLOADER_H_
#define NACRE_CLIENT_CLI_COPY_UPLOADER_H_

#include <sys/stat.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "client/cli/copy/job.h"
#include "client/cli/copy/local_source.h"

namespace nacre::cli {

// Walks through trees of ours and sends them. Belongs to the walking thread; its transfers run on
// the job's.
class Uploader {
 public:
  explicit Uploader(Job& job) : job_(job) {}

  // Copies each source to or into `target`; returns once all are walked and done.
  void Copy(const std::vector<std::string>& sources, const std::string& target);

  // Copies standard input.
  void CopyInput(const std::string& target);

 private:
  struct Directory;

  // A path of the node. What is beneath a directory that is copied is named from that, and so can't
  // be anywhere else whatever becomes of the directories between.
  struct Place {
    client::Files files;
    std::string path;
    std::string name;  // For messages: as the user may say it.

    Place Entry(const std::string& entry) const;
  };

  void CopySource(const std::string& source, const std::string& target, bool is_there);
  std::shared_ptr<Directory> MakeDirectory(UniqueFd fd, const std::string& local,
                                           const Place& place, std::shared_ptr<Directory> parent,
                                           bool is_there);
  absl::StatusOr<client::FileInfo> MakeRemoteDirectory(const Place& place, uint32_t mode,
                                                       bool* unfinished);
  bool IsOurs(const client::FileInfo& file);
  bool IsDestination(const struct stat& found) const;
  void Finish(const Directory& directory);
  void Walk(const std::shared_ptr<Directory>& directory);
  void CopyEntry(const std::shared_ptr<Directory>& directory, const std::string& name);
  void CopyFile(int directory, const std::string& name, const std::string& local,
                const Place& place);
  void CopyLink(int directory, const std::string& name, const struct stat& found,
                const std::string& local, const Place& place);
  void CopyOpenFile(LocalSource& source, const struct stat& opened, const std::string& local,
                    const Place& place);
  bool IsThere(const Place& place, const struct stat& opened, const LocalSource& source);
  absl::StatusOr<std::string> ReadChecksum(const Place& place);
  void ReadBack(const Place& place, const client::UploadResult& result);

  Job& job_;
  // The topmost directory that is written to, and whose files are ours: the walking thread's.
  client::FileInfo destination_;
  std::optional<uint32_t> our_uid_;
  bool asked_for_uid_ = false;
};

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_COPY_UPLOADER_H_
