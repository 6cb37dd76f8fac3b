#include "executor/files.h"

#include <unistd.h>

#include <algorithm>
#include <asio/post.hpp>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "executor/audit.h"
#include "executor/errors.h"
#include "executor/file_error.h"

namespace nacre {
namespace {

// How long a helper may take for what was asked before another front takes over, or the node stops.
constexpr auto kRetirePatience = std::chrono::milliseconds(1000);
constexpr auto kDrainPatience = std::chrono::milliseconds(8000);
// First version of the keeper's protocol that knows of files.
constexpr uint32_t kFilesProtocol = 3;

absl::Status Unavailable(const std::string& why) {
  return MakeError(absl::StatusCode::kUnavailable, "FILES_UNAVAILABLE",
                   absl::StrCat("the node can't get at files: ", why));
}

}  // namespace

Files::Files(asio::io_context& loop, KeeperLink& keeper, const Policy& policy,
             std::chrono::milliseconds idle)
    : loop_(loop), keeper_(keeper), policy_(policy), idle_after_(idle), idle_(loop), hurry_(loop) {}

void Files::Do(const Identity& identity, FileRequest request, Done done) {
  const auto refuse = [this, &done](const absl::Status& status) {
    asio::post(loop_, [done, status] { done(status); });
  };
  if (!retired_.ok()) return refuse(retired_);
  if (keeper_.welcome().protocol_version() < kFilesProtocol) {
    return refuse(Unavailable("nacred is of an older release than nacre-front; restart it"));
  }
  auto user = policy_.CheckFile(identity, request);
  if (!user.ok()) {
    keeper::v1::FrontRequest record;
    record.mutable_audit()->set_line(audit::FileDeniedLine(identity, request, user.status()));
    keeper_.Send(record);
    return refuse(user.status());
  }
  Helper& helper = helpers_[*user];
  if (helper.calls >= kMaxCallsOfUser) {
    return refuse(
        MakeError(absl::StatusCode::kResourceExhausted, "FILE_CALLS",
                  absl::StrFormat("%d calls about files of %s are under way; wait for one "
                                  "to end",
                                  helper.calls, *user)));
  }
  ++helper.calls;
  const uint64_t number = next_call_++;
  Waiting waiting{.call = {.request = std::move(request),
                           .id = {},
                           .identity = identity.name,
                           .user = *std::move(user),
                           .helper = nullptr},
                  .done = std::move(done)};
  if (!IsAudited(waiting.call.request.verb)) {
    WithHelper(std::move(waiting));
    return;
  }
  // A front's calls are numbered anew; with its process id they are told from those before it.
  waiting.call.id = absl::StrFormat("%08x-f%d-%d", keeper_.welcome().epoch(), getpid(), number);
  keeper::v1::FrontRequest record;
  record.mutable_audit()->set_id(number);
  record.mutable_audit()->set_line(
      audit::FileLine(identity, waiting.call.id, waiting.call.request, waiting.call.user));
  unaudited_.emplace(number, std::move(waiting));
  keeper_.Send(record);
}

void Files::OnAudited(const keeper::v1::Audited& audited) {
  const auto it = unaudited_.find(audited.id());
  if (it == unaudited_.end()) return;
  Waiting waiting = std::move(it->second);
  unaudited_.erase(it);
  if (audited.failed().empty()) {
    WithHelper(std::move(waiting));
    return;
  }
  waiting.call.id.clear();
  Finish(std::move(waiting),
         MakeError(absl::StatusCode::kUnavailable, "AUDIT_UNAVAILABLE",
                   absl::StrFormat("the node's audit can't be written (%s), so no file is touched; "
                                   "free space or mend its state directory",
                                   audited.failed())));
}

void Files::WithHelper(Waiting waiting) {
  if (!retired_.ok()) {
    Finish(std::move(waiting), retired_);
    return;
  }
  const std::string user = waiting.call.user;
  Helper& one = helpers_[user];
  one.used_ns = MonotonicNs();
  if (one.helper != nullptr && !one.helper->lost()) {
    Send(one.helper, std::move(waiting));
    return;
  }
  one.helper.reset();
  one.waiting.push_back(std::move(waiting));
  if (std::exchange(one.asked, true)) return;
  keeper::v1::FrontRequest request;
  request.mutable_open_files()->set_user(user);
  keeper_.Send(request);
}

void Files::OnOpened(const keeper::v1::FilesOpened& opened, UniqueFd channel) {
  const auto it = helpers_.find(opened.user());
  if (it == helpers_.end()) return;
  Helper& one = it->second;
  one.asked = false;
  if (opened.failed().empty() && channel.valid()) {
    one.helper = std::make_shared<FileHelper>(loop_, std::move(channel));
    one.helper->Run();
    ArmIdle();
  }
  const std::shared_ptr<FileHelper> helper = one.helper;
  for (Waiting& waiting : std::exchange(one.waiting, {})) {
    if (helper != nullptr) {
      Send(helper, std::move(waiting));
    } else {
      Finish(std::move(waiting), Unavailable(opened.failed()));
    }
  }
}

void Files::Send(const std::shared_ptr<FileHelper>& helper, Waiting waiting) {
  files::v1::Request operation = waiting.call.request.operation;
  // What waits for a helper must not keep it.
  helper->Call(std::move(operation),
               [this, weak = std::weak_ptr<FileHelper>(helper),
                waiting = std::move(waiting)](absl::StatusOr<FileReply> reply) mutable {
                 waiting.call.helper = weak.lock();
                 Finish(std::move(waiting), std::move(reply));
               });
}

void Files::Finish(Waiting waiting, absl::StatusOr<FileReply> reply) {
  --helpers_[waiting.call.user].calls;
  absl::Status status = reply.status();
  if (status.ok()) status = FileError(reply->reply, waiting.call.request);
  if (!status.ok()) {
    AuditEnd(waiting.call, status, 0);
    waiting.done(status);
    return;
  }
  waiting.done(Answer{.call = std::move(waiting.call), .reply = *std::move(reply)});
}

void Files::AuditEnd(const FileCall& call, const absl::Status& status, uint64_t bytes) {
  if (call.id.empty()) return;
  keeper::v1::FrontRequest record;
  record.mutable_audit()->set_line(audit::FileEndLine(call.id, call.request.verb, status, bytes));
  keeper_.Send(record);
}

absl::Status Files::Add(FileStream* stream, const std::string& user) {
  if (!retired_.ok()) return retired_;
  const auto of_user = static_cast<size_t>(
      std::count_if(streams_.begin(), streams_.end(),
                    [&user](const auto& other) { return other.second == user; }));
  if (streams_.size() >= kMaxStreams || of_user >= kMaxStreamsOfUser) {
    return MakeError(absl::StatusCode::kResourceExhausted, "OPEN_FILES",
                     absl::StrFormat("%d files are open, %d of them %s's; wait for one to be done",
                                     streams_.size(), of_user, user));
  }
  streams_.emplace(stream, user);
  return absl::OkStatus();
}

void Files::Drain() {
  const absl::Status why =
      MakeError(absl::StatusCode::kUnavailable, "DRAINING", "the node is shutting down");
  std::vector<FileStream*> endless;
  for (const auto& [stream, user] : streams_) {
    if (stream->endless()) endless.push_back(stream);
  }
  for (FileStream* stream : endless) stream->Abort(why);
  CloseHelpersAfter(kDrainPatience);
}

// Whoever waits for a helper that hangs is answered then.
void Files::CloseHelpersAfter(std::chrono::milliseconds patience) {
  hurry_.expires_after(patience);
  hurry_.async_wait([this](std::error_code error) {
    if (error) return;
    for (auto& [user, one] : helpers_) {
      if (one.helper != nullptr) one.helper->Close("is not waited for");
    }
  });
}

size_t Files::calls() const {
  return std::accumulate(helpers_.begin(), helpers_.end(), size_t{0},
                         [](size_t sum, const auto& entry) { return sum + entry.second.calls; });
}

void Files::Retire(const absl::Status& why) {
  retired_ = why;
  idle_.cancel();
  for (const auto& [stream, user] : std::exchange(streams_, {})) stream->Abort(why);
  for (auto& [id, waiting] : std::exchange(unaudited_, {})) Finish(std::move(waiting), why);
  for (auto& [user, helper] : helpers_) {
    for (Waiting& waiting : std::exchange(helper.waiting, {})) Finish(std::move(waiting), why);
  }
  CloseHelpersAfter(kRetirePatience);
}

// --- helpers that nobody needs ------------------------------------------------------------------

void Files::ArmIdle() {
  if (std::exchange(idle_armed_, true)) return;
  idle_.expires_after(idle_after_);
  idle_.async_wait([this](std::error_code error) {
    idle_armed_ = false;
    if (!error) LetGoOfIdle();
  });
}

void Files::LetGoOfIdle() {
  const int64_t now = MonotonicNs();
  const int64_t idle_ns = std::chrono::nanoseconds(idle_after_).count();
  bool any = false;
  for (auto& [user, one] : helpers_) {
    if (one.helper == nullptr) continue;
    // A stream that goes on with a file holds it too.
    if (one.calls > 0 || one.helper.use_count() > 1) one.used_ns = now;
    if (now - one.used_ns >= idle_ns) one.helper.reset();
    any |= one.helper != nullptr;
  }
  std::erase_if(helpers_, [](const auto& entry) {
    return entry.second.helper == nullptr && entry.second.calls == 0 && !entry.second.asked;
  });
  if (any) ArmIdle();
}

}  // namespace nacre
