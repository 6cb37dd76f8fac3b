#pragma once

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/copy_source.h"
#include "bench/copy_tools.h"
#include "bench/peers/ssh_server.h"
#include "bench/scratch_directory.h"
#include "bench/table.h"
#include "nacre/client.h"

namespace nacre::bench {

struct CopyGroupOptions {
  int files = 0;            // In the tree.
  uint64_t file_bytes = 0;  // Of the one file.
};

// Trees and files to the node and from it: `nacre cp` beside scp, sftp and rsync over an sshd of
// our own, as whole processes. Copies are compared with what they were made of. Not thread-safe.
class CopyGroup {
 public:
  // Makes what is copied. Without OpenSSH there is nothing to compare with, and nothing is
  // measured. Borrows `nacre`, which must be on this machine.
  static absl::StatusOr<std::unique_ptr<CopyGroup>> Start(client::Client& nacre,
                                                          const CopyGroupOptions& options);

  static const std::vector<std::string>& Names();

  absl::Status MeasureRound();

  std::vector<Row> rows() const;
  // Says what is left out, and why, and what was copied.
  void PrintNotes(std::ostream& out) const;

 private:
  // One thing that is copied in one direction.
  struct Job {
    std::string what;
    std::string unit;
    double amount = 0;  // In units per second when it takes one.
    int decimals = 0;
    CopyRequest request;  // Without `to`: each copy has a name of its own.
    Fingerprint expected;
    std::vector<Row> rows;  // One for each of tools_.
  };
  // The most memory that a process had in a round.
  struct Memory {
    uint64_t client = 0;
    uint64_t front = 0;
    uint64_t helpers = 0;
  };

  CopyGroup(client::Client& nacre, const CopyGroupOptions& options, ScratchDirectory scratch);

  absl::Status Prepare();
  void AddJob(Job job);
  absl::Status MeasureJob(Job* job, Memory* memory);
  // Copies and compares. Returns units per second.
  absl::StatusOr<double> Copy(const Job& job, CopyTool tool, uint64_t* peak_memory);
  absl::StatusOr<double> CopyByNacre(const Job& job, Memory* memory);

  client::Client& nacre_;
  const CopyGroupOptions options_;
  const ScratchDirectory scratch_;
  std::unique_ptr<SshServer> ssh_;    // Null: left out.
  std::unique_ptr<CopyTools> calls_;  // Null: left out.
  std::vector<CopyTool> tools_;       // Those that are compared with scp.
  std::vector<Job> jobs_;
  size_t rounds_ = 0;
  int copies_ = 0;
  std::vector<Row> memory_rows_;
  std::vector<std::string> left_out_;
};

}  // namespace nacre::bench
