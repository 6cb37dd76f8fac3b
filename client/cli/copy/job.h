// What all parts of one copy share.
#ifndef NACRE_CLIENT_CLI_COPY_JOB_H_
#define NACRE_CLIENT_CLI_COPY_JOB_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <semaphore>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "client/cli/copy/options.h"
#include "client/cli/copy/progress.h"
#include "client/cli/copy/transfer_pool.h"
#include "nacre/client.h"
#include "nacre/files.h"

namespace nacre::cli {

// One run of nacre cp: its options, its threads, what went wrong. Any thread may call any method,
// but Submit() and Wait() are the walking thread's.
class Job {
 public:
  Job(const client::Client& client, client::FilesOptions files, const CopyOptions& options,
      Progress& progress);

  const client::Files& files() const { return files_; }
  // The same files, but none that is not below this directory.
  client::Files FilesBelow(const std::string& root) const;
  // Whether the node's files may be ours, so that (device, inode) means the same on both sides.
  bool may_be_here() const { return client_.target().starts_with("unix:"); }
  const CopyOptions& options() const { return options_; }
  Progress& progress() { return progress_; }

  // A transfer of its own; see TransferPool.
  void Submit(std::function<void()> transfer) { pool_.Submit(std::move(transfer)); }
  void Wait() { pool_.Wait(); }

  // Whoever sees it leaves off: by a signal, or since the node is lost or a disk is full.
  bool stopped() const { return stopped_; }
  // Whether another run is to go on where this one was stopped: what is unfinished stays so.
  bool interrupted() const { return interrupted_; }
  void Stop() {
    interrupted_ = true;
    stopped_ = true;
  }

  // What went wrong with one file, ours or the node's. The others go on, unless the node is lost or
  // a disk full.
  void FailLocal(std::string_view path, const absl::Status& status);
  void FailRemote(std::string_view path, const absl::Status& status);
  // All is done, but not as the user may think.
  void Warn(std::string_view message);

  // A large transfer was left off whose beginning is kept.
  void Kept() { kept_ = true; }
  // Whether there is such a beginning, or would be if we ended now.
  bool can_go_on() const { return kept_ || large_running_ > 0; }

  // One file is done; with --checksum prints its line. `name` is the file's that was made.
  void Done(std::string_view name, std::string_view xxh3_128);

  bool failed() const { return failed_; }

  // There is but one file to copy, so its size is the total.
  void ExpectOneFile() { one_file_ = true; }
  void Expect(uint64_t bytes) {
    if (one_file_) progress_.SetTotal(bytes);
  }

  // Held by a transfer of a large file: more of them at once are no faster, and take memory each.
  class LargeTransfer {
   public:
    // Nothing, of one that is not `large`.
    LargeTransfer(Job& job, bool large) : job_(large ? &job : nullptr) {
      if (job_ == nullptr) return;
      job_->large_.acquire();
      ++job_->large_running_;
    }
    LargeTransfer(const LargeTransfer&) = delete;
    LargeTransfer& operator=(const LargeTransfer&) = delete;
    ~LargeTransfer() {
      if (job_ == nullptr) return;
      --job_->large_running_;
      job_->large_.release();
    }

   private:
    Job* job_;
  };

 private:
  // `last`: the run stops with it.
  void Fail(std::string_view message, bool last);

  const client::Client& client_;
  const client::FilesOptions files_options_;
  const client::Files files_;
  const CopyOptions options_;
  Progress& progress_;
  std::counting_semaphore<4> large_{4};
  std::atomic<int> large_running_ = 0;
  std::atomic<bool> stopped_ = false;
  std::atomic<bool> interrupted_ = false;
  std::atomic<bool> failed_ = false;
  std::atomic<bool> kept_ = false;
  bool one_file_ = false;  // Set before the first Submit().
  std::mutex output_mutex_;
  std::mutex fail_mutex_;
  TransferPool pool_;
};

// An error of a system call of ours, with the errno's own words.
absl::Status LocalError(int error);

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_COPY_JOB_H_
