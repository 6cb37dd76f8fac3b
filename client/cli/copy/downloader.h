// Copying from a node.
#ifndef NACRE_CLIENT_CLI_COPY_DOWNLOADER_H_
#define NACRE_CLIENT_CLI_COPY_DOWNLOADER_H_

#include <sys/stat.h>

#include <memory>
#include <string>
#include <vector>

#include "client/cli/copy/job.h"
#include "client/cli/copy/local_tree.h"

namespace nacre::cli {

// Walks through trees of a node and writes them here. A node that lies can only fill the target,
// never write beside it. Belongs to the walking thread; its transfers run on the job's.
class Downloader {
 public:
  explicit Downloader(Job& job) : job_(job) {}

  // Copies each source to or into `target`; returns once all are walked and done.
  void Copy(const std::vector<std::string>& sources, const std::string& target);

  // Copies a file to standard output.
  void CopyOutput(const std::string& source);

 private:
  struct Directory;
  using DirectoryPtr = std::shared_ptr<const Directory>;

  void CopyAll(const std::vector<std::string>& sources, std::string path, bool into);
  bool CopyThrough(const std::string& source, std::string* target);
  void CopyStream(const std::string& source, int fd, const std::string& name);
  void CopySource(const std::string& source, const DirectoryPtr& directory,
                  const std::string& name);
  void CopyEntry(const client::FileInfo& entry, const std::string& remote,
                 const DirectoryPtr& directory, const std::string& name);
  DirectoryPtr Enter(const client::FileInfo& entry, const DirectoryPtr& parent,
                     const std::string& name);
  void Finish(const Directory& directory);
  bool IsDestination(const client::FileInfo& entry) const;
  void WalkSource(const client::FileInfo& found, const std::string& source,
                  const DirectoryPtr& directory);
  void Walk(const std::string& remote, const DirectoryPtr& directory);
  void CopyLink(const client::FileInfo& entry, const DirectoryPtr& directory,
                const std::string& name);
  void CopyFile(const std::string& remote, const DirectoryPtr& directory, const std::string& name);
  absl::StatusOr<LocalFile> OpenFile(const std::string& remote, const Directory& directory,
                                     const std::string& name,
                                     std::unique_ptr<client::FileReader>* reader);
  absl::Status Receive(client::FileReader& reader, LocalFile& file, absl::Status* failed_here);
  void Complete(const std::string& remote, const Directory& directory, const std::string& name,
                client::FileReader& reader, LocalFile& file, bool whole);
  bool IsThere(const std::string& remote, const DirectoryPtr& directory, const std::string& name);
  absl::StatusOr<std::string> ReadChecksum(const std::string& remote, const std::string& version);
  absl::Status Compare(const std::string& remote, const client::FileReader& reader,
                       const LocalFile& file, bool whole, std::string* checksum);

  Job& job_;
  struct stat destination_ {};  // The topmost directory that is written to.
};

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_COPY_DOWNLOADER_H_
