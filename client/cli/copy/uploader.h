// Copying to a node.
#ifndef NACRE_CLIENT_CLI_COPY_UPLOADER_H_
#define NACRE_CLIENT_CLI_COPY_UPLOADER_H_

#include <sys/stat.h>

#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "client/cli/copy/job.h"

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

  void CopySource(const std::string& source, const std::string& target, bool is_there);
  std::shared_ptr<Directory> MakeDirectory(UniqueFd fd, const std::string& local,
                                           const std::string& remote,
                                           std::shared_ptr<Directory> parent, bool is_there);
  bool MakeRemoteDirectory(const std::string& remote, uint32_t mode, bool* made);
  void Finish(const Directory& directory);
  void Walk(const std::shared_ptr<Directory>& directory);
  void CopyEntry(const std::shared_ptr<Directory>& directory, const std::string& name);
  void CopyFile(int directory, const std::string& name, const std::string& local,
                const std::string& remote);
  void CopyLink(int directory, const std::string& name, const struct stat& found,
                const std::string& local, const std::string& remote);
  void CopyOpenFile(UniqueFd fd, const struct stat& opened, const std::string& local,
                    const std::string& remote);
  bool IsThere(const std::string& remote, const struct stat& source);
  void ReadBack(const std::string& remote, const client::UploadResult& result);

  Job& job_;
};

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_COPY_UPLOADER_H_
