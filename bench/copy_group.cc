#include "bench/copy_group.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/unique_fd.h"
#include "bench/peak_memory.h"

namespace nacre::bench {
namespace {

constexpr double kMebibyte = 1 << 20;
// What each of our processes may take at most, in MiB.
constexpr double kMemoryBound = 64;

// Waits until all that was written or removed is on the disk, so that nothing of it falls on what
// comes next.
absl::Status Settle(const std::string& directory) {
  const UniqueFd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.valid() && syncfs(fd.get()) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, directory);
}

absl::Status Remove(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (!error) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(path, ": ", error.message()));
}

absl::Status Compare(const std::string& copy, const Fingerprint& expected) {
  const auto found = TakeFingerprint(copy);
  if (!found.ok()) return found.status();
  if (*found == expected) return absl::OkStatus();
  return absl::DataLossError(absl::StrFormat(
      "the copy differs: %d files and %d bytes of %d and %d, or another content, mode or time",
      found->files, found->bytes, expected.files, expected.bytes));
}

std::vector<Row> MemoryRows() {
  std::vector<Row> rows;
  for (const char* process : {"nacre cp", "nacre-front", "nacre-files"}) {
    rows.push_back({.what = absl::StrCat("memory of ", process, " at most ÷ 64 MiB"),
                    .unit = "MiB",
                    .goal = Row::Goal::kAtMost,
                    .bound = 1.0});
  }
  return rows;
}

}  // namespace

CopyGroup::CopyGroup(client::Client& nacre, const CopyGroupOptions& options,
                     ScratchDirectory scratch)
    : nacre_(nacre), options_(options), scratch_(std::move(scratch)), memory_rows_(MemoryRows()) {}

const std::vector<std::string>& CopyGroup::Names() {
  static const auto& names = *new std::vector<std::string>{"copy"};
  return names;
}

absl::StatusOr<std::unique_ptr<CopyGroup>> CopyGroup::Start(client::Client& nacre,
                                                            const CopyGroupOptions& options) {
  auto scratch = ScratchDirectory::Make();
  if (!scratch.ok()) return scratch.status();
  std::unique_ptr<CopyGroup> group(new CopyGroup(nacre, options, *std::move(scratch)));
  auto ssh =
      IsInstalled(CopyTool::kScp) ? SshServer::Start() : absl::NotFoundError("not installed");
  if (!ssh.ok()) {
    group->left_out_.push_back(
        absl::StrCat("copy: OpenSSH: ", std::string(ssh.status().message())));
    return group;
  }
  group->ssh_ = *std::move(ssh);
  for (const CopyTool tool : {CopyTool::kNacre, CopyTool::kSftp, CopyTool::kRsync}) {
    if (IsInstalled(tool)) {
      group->tools_.push_back(tool);
    } else {
      group->left_out_.push_back(absl::StrCat("copy: ", NameOf(tool), ": not installed"));
    }
  }
  if (absl::Status status = group->Prepare(); !status.ok()) return status;
  group->calls_ = std::make_unique<CopyTools>(group->ssh_->client_configuration(), group->scratch_);
  return group;
}

absl::Status CopyGroup::Prepare() {
  const std::string tree = scratch_.File("tree"), file = scratch_.File("file");
  absl::Status status = MakeTree(tree, options_.files);
  if (status.ok()) status = MakeFile(file, options_.file_bytes);
  if (!status.ok()) return status;
  const auto whole_tree = TakeFingerprint(tree), whole_file = TakeFingerprint(file);
  if (!whole_tree.ok()) return whole_tree.status();
  if (!whole_file.ok()) return whole_file.status();
  for (const bool up : {true, false}) {
    AddJob({.what = absl::StrFormat("%d files %s", options_.files, up ? "up" : "down"),
            .unit = "files/s",
            .amount = static_cast<double>(options_.files),
            .request = {.up = up, .tree = true, .from = tree},
            .expected = *whole_tree});
  }
  for (const bool up : {true, false}) {
    AddJob({.what = absl::StrFormat("%d MiB %s", options_.file_bytes >> 20, up ? "up" : "down"),
            .unit = "GB/s",
            .amount = static_cast<double>(options_.file_bytes) / 1e9,
            .decimals = 2,
            .request = {.up = up, .tree = false, .from = file},
            .expected = *whole_file});
  }
  return absl::OkStatus();
}

void CopyGroup::AddJob(Job job) {
  for (const CopyTool tool : tools_) {
    Row row = {.what = absl::StrFormat("%s: %s ÷ scp", job.what, NameOf(tool)),
               .unit = job.unit,
               .decimals = job.decimals};
    if (tool == CopyTool::kNacre) {
      row.goal = Row::Goal::kAtLeast;
      row.bound = 1.0;
    }
    job.rows.push_back(std::move(row));
  }
  jobs_.push_back(std::move(job));
}

absl::Status CopyGroup::MeasureRound() {
  if (calls_ == nullptr) return absl::OkStatus();
  Memory memory;
  for (Job& job : jobs_) {
    if (absl::Status status = MeasureJob(&job, &memory); !status.ok()) return status;
  }
  ++rounds_;
  const uint64_t peaks[] = {memory.client, memory.front, memory.helpers};
  for (size_t i = 0; i < memory_rows_.size(); ++i) {
    if (peaks[i] != 0) {
      Add(&memory_rows_[i], static_cast<double>(peaks[i]) / kMebibyte, kMemoryBound);
    }
  }
  return absl::OkStatus();
}

// Each round begins with another tool, so that none always has the place after the same one.
absl::Status CopyGroup::MeasureJob(Job* job, Memory* memory) {
  std::vector<CopyTool> order = {CopyTool::kScp};
  order.insert(order.end(), tools_.begin(), tools_.end());
  std::vector<double> measured(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    const size_t at = (i + rounds_) % order.size();
    uint64_t unused = 0;
    const auto speed =
        order[at] == CopyTool::kNacre ? CopyByNacre(*job, memory) : Copy(*job, order[at], &unused);
    if (!speed.ok()) return speed.status();
    measured[at] = *speed;
  }
  for (size_t i = 0; i < tools_.size(); ++i) Add(&job->rows[i], measured[i + 1], measured[0]);
  return absl::OkStatus();
}

absl::StatusOr<double> CopyGroup::Copy(const Job& job, CopyTool tool, uint64_t* peak_memory) {
  if (absl::Status status = Settle(scratch_.path()); !status.ok()) return status;
  CopyRequest request = job.request;
  request.to = scratch_.File(absl::StrCat("copy", copies_++));
  const auto usage = calls_->Copy(tool, request, tool == CopyTool::kNacre);
  if (!usage.ok()) return usage.status();
  if (absl::Status status = Compare(request.to, job.expected); !status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat(NameOf(tool), ", ", job.what, ": ", status.message()));
  }
  // Trees stay until the end: for minutes ext4 walks past the inodes of removed files whenever it
  // looks for a free one, so that thousands of them would slow down what is copied next.
  if (!request.tree) {
    if (absl::Status status = Remove(request.to); !status.ok()) return status;
  }
  *peak_memory = usage->peak_memory;
  return job.amount / usage->seconds;
}

absl::StatusOr<double> CopyGroup::CopyByNacre(const Job& job, Memory* memory) {
  const auto node = nacre_.GetNode();
  if (!node.ok()) return node.status();
  const auto front = static_cast<pid_t>(node->front_pid);
  const auto helpers = [&] {
    return ChildrenThatRun(static_cast<pid_t>(node->daemon_pid), "nacre-files");
  };
  ForgetPeakMemory(front);
  for (const pid_t helper : helpers()) ForgetPeakMemory(helper);
  uint64_t client = 0;
  auto measured = Copy(job, CopyTool::kNacre, &client);
  if (!measured.ok()) return measured;
  memory->client = std::max(memory->client, client);
  memory->front = std::max(memory->front, PeakMemory(front));
  for (const pid_t helper : helpers()) {
    memory->helpers = std::max(memory->helpers, PeakMemory(helper));
  }
  return measured;
}

std::vector<Row> CopyGroup::rows() const {
  std::vector<Row> rows;
  for (const Job& job : jobs_) rows.insert(rows.end(), job.rows.begin(), job.rows.end());
  rows.insert(rows.end(), memory_rows_.begin(), memory_rows_.end());
  return rows;
}

void CopyGroup::PrintNotes(std::ostream& out) const {
  if (!jobs_.empty()) {
    out << absl::StreamFormat(
        "- copies: %d files in %d directories, %.0f MiB; one file of %d MiB\n", options_.files,
        jobs_[0].expected.directories - 1, static_cast<double>(jobs_[0].expected.bytes) / kMebibyte,
        options_.file_bytes >> 20);
  }
  for (const std::string& what : left_out_) out << "- left out: " << what << "\n";
}

}  // namespace nacre::bench
