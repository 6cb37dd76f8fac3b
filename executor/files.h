#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "executor/file_helper.h"
#include "executor/file_request.h"
#include "executor/identity.h"
#include "executor/keeper_link.h"
#include "executor/policy.h"

namespace nacre {

// A call that goes on with a file it has opened. Called on the loop.
class FileStream {
 public:
  virtual ~FileStream() = default;
  // It has to end with this error, as soon as it can.
  virtual void Abort(const absl::Status& why) = 0;
  // Whether it would go on for ever: then it is not waited for when the node stops.
  virtual bool endless() const { return false; }
};

// A request of a caller that policy has allowed and the audit has heard of.
struct FileCall {
  FileRequest request;
  // In the audit.
  std::string id;
  std::string identity, user;
  // Who does it, for what follows the first answer.
  std::shared_ptr<FileHelper> helper;
};

// Does what callers ask of files: the only way in for every front end, with policy and audit
// inside. Gets a helper for each user from the keeper, and lets go of one that has had nothing to
// do for 30 s. Loop only.
class Files {
 public:
  struct Answer {
    FileCall call;
    FileReply reply;
  };
  using Done = std::function<void(absl::StatusOr<Answer>)>;

  // What is done at once at most; more is RESOURCE_EXHAUSTED.
  static constexpr size_t kMaxStreams = 256, kMaxStreamsOfUser = 128;
  static constexpr size_t kMaxCallsOfUser = 1000;

  // `idle`: how long a helper without calls is kept.
  Files(asio::io_context& loop, KeeperLink& keeper, const Policy& policy,
        std::chrono::milliseconds idle = std::chrono::seconds(30));

  // Asks policy, tells the audit, has it done; `done` is called once, later. PERMISSION_DENIED/
  // POLICY_DENIED, UNAVAILABLE with AUDIT_UNAVAILABLE, FILES_UNAVAILABLE, FILE_HELPER_LOST or
  // FRONT_RESTARTING, RESOURCE_EXHAUSTED/FILE_CALLS, or the file's own error as FileError has it.
  void Do(const Identity& identity, FileRequest request, Done done);

  // Tells the audit how a call has ended, unless it was not told that it began. `bytes`: of a
  // file's content.
  void AuditEnd(const FileCall& call, const absl::Status& status, uint64_t bytes);

  // Counts a call that holds a file of `user` open. RESOURCE_EXHAUSTED/OPEN_FILES: there are too
  // many.
  absl::Status Add(FileStream* stream, const std::string& user);
  void Remove(FileStream* stream) { streams_.erase(stream); }

  // Files that are open, and requests under way.
  size_t open_files() const { return streams_.size(); }
  size_t calls() const;

  // Events of the keeper.
  void OnOpened(const keeper::v1::FilesOpened& opened, UniqueFd channel);
  void OnAudited(const keeper::v1::Audited& audited);

  // The node stops: ends what would go on for ever. What else there is may end by itself.
  void Drain();

  // Another front takes over: ends all streams, refuses all that follows.
  void Retire(const absl::Status& why);

 private:
  struct Waiting {
    FileCall call;
    Done done;
  };
  // A user's helper, or those who wait for it.
  struct Helper {
    std::shared_ptr<FileHelper> helper;
    std::vector<Waiting> waiting;
    bool asked = false;  // the keeper, which has not answered yet
    size_t calls = 0;
    int64_t used_ns = 0;
  };

  void WithHelper(Waiting waiting);
  void Send(const std::shared_ptr<FileHelper>& helper, Waiting waiting);
  void Finish(Waiting waiting, absl::StatusOr<FileReply> reply);
  void CloseHelpersAfter(std::chrono::milliseconds patience);
  void ArmIdle();
  void LetGoOfIdle();

  asio::io_context& loop_;
  KeeperLink& keeper_;
  const Policy& policy_;
  const std::chrono::milliseconds idle_after_;
  std::map<std::string, Helper> helpers_;
  // By the id of their audit line, in order.
  std::map<uint64_t, Waiting> unaudited_;
  uint64_t next_call_ = 1;
  // With the users whose files they hold open.
  std::map<FileStream*, std::string> streams_;
  asio::steady_timer idle_, hurry_;
  bool idle_armed_ = false;
  absl::Status retired_;
};

}  // namespace nacre
