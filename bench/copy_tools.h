#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/scratch_directory.h"

// What copies files, each as its users call it: a process, with a connection of its own.
namespace nacre::bench {

// A copy of `from`, a file or a tree, under the name `to`, which is free. Up: `to` is the node's;
// down: `from` is. Both are absolute.
struct CopyRequest {
  bool up = false;
  bool tree = false;
  std::string from;
  std::string to;
};

enum class CopyTool { kNacre, kScp, kSftp, kRsync };

// As it is called in a table.
std::string NameOf(CopyTool tool);
bool IsInstalled(CopyTool tool);

// What one copy took.
struct CopyUsage {
  double seconds = 0;        // From the start of the process to its end.
  uint64_t peak_memory = 0;  // Of the process, in bytes; 0 unless it was asked for.
};

// Calls them. Not thread-safe.
class CopyTools {
 public:
  // `ssh_configuration` is that of an SshServer's clients. Files of its own are made in `scratch`,
  // which is borrowed.
  CopyTools(std::string ssh_configuration, const ScratchDirectory& scratch)
      : ssh_configuration_(std::move(ssh_configuration)), scratch_(scratch) {}

  // INTERNAL, with what the tool wrote to standard error, unless it ended with 0.
  absl::StatusOr<CopyUsage> Copy(CopyTool tool, const CopyRequest& request,
                                 bool watches_memory) const;

 private:
  std::vector<std::string> Command(CopyTool tool, const CopyRequest& request) const;
  absl::StatusOr<uint64_t> Run(const std::vector<std::string>& command, bool watches_memory) const;

  const std::string ssh_configuration_;
  const ScratchDirectory& scratch_;
};

}  // namespace nacre::bench
