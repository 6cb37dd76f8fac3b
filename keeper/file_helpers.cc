#include "keeper/file_helpers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/seqpacket.h"

namespace nacre::keeper {
namespace {

// How long one may take to run: its user can stop it on the way.
constexpr int64_t kStartNs = 5'000'000'000;
// How long one whose front is gone may take to tidy up.
constexpr int64_t kLeaveNs = 5'000'000'000;

// What a helper is told of this process's environment, which may hold secrets of who started it.
constexpr const char* kEnvironment[] = {"ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS",
                                        "TSAN_OPTIONS"};

ChildPlan PlanHelper(const std::string& program, const User& user,
                     std::optional<Credentials> credentials) {
  ChildPlan plan;
  plan.argv.push_back(program);
  plan.env.emplace_back("LANG=C.UTF-8");
  // What relative paths count from. It goes there by itself: a home that hangs must not hold a
  // lane.
  plan.env.push_back(absl::StrCat("HOME=", user.home));
  for (const char* name : kEnvironment) {
    const char* value = getenv(name);
    if (value != nullptr) plan.env.push_back(absl::StrCat(name, "=", value));
  }
  plan.candidates.push_back(program);
  plan.cwd.assign(1, '/');
  plan.credentials = std::move(credentials);
  plan.no_new_privileges = true;
  plan.umask = 0;
  return plan;
}

}  // namespace

// --- one ----------------------------------------------------------------------------------------

FileHelper::~FileHelper() { loop_.SetTimer(this, &kill_at_, 0); }

void FileHelper::Launch(ChildPlan plan, const std::string& program) {
  auto pair = seqpacket::Pair();
  const UniqueFd file(open(program.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info;
  if (!pair.ok() || !file.valid() || fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    const int error = errno;
    Fail(!pair.ok()      ? pair.status()
         : !file.valid() ? absl::ErrnoToStatus(error, program)
                         : absl::FailedPreconditionError(program + " is no regular file"));
    return;
  }
  plan.program = file.get();
  auto child = launcher_.Start(std::move(plan), pair->second.get(), STDERR_FILENO, STDERR_FILENO);
  if (!child.ok()) {
    Fail(child.status());
    return;
  }
  child_ = *std::move(child);
  channel_ = std::move(pair->first);
  absl::Status status = loop_.Add(child_.report.get(), EPOLLIN, this, kReport);
  status.Update(loop_.Add(child_.pidfd.get(), EPOLLIN, this, kExit));
  if (!status.ok()) {  // no memory to watch it
    kill(child_.pid, SIGKILL);
    waitpid(child_.pid, nullptr, 0);
    launcher_.Release(child_.lane);
    Fail(status);
    return;
  }
  loop_.SetTimer(this, &kill_at_, MonotonicNs() + kStartNs);
}

void FileHelper::Abandon(int64_t grace_ns) {
  done_ = nullptr;
  channel_.reset();
  if (child_.pid < 0) gone_ = true;
  if (gone_) return;
  if (grace_ns > 0) {
    loop_.SetTimer(this, &kill_at_, MonotonicNs() + grace_ns);
  } else {
    kill(child_.pid, SIGKILL);
  }
}

void FileHelper::Tell(absl::StatusOr<UniqueFd> result) {
  if (done_) std::exchange(done_, nullptr)(std::move(result));
}

void FileHelper::Fail(const absl::Status& why) {
  gone_ = true;
  Tell(why);
}

void FileHelper::OnReport() {
  ChildReport report{};
  const ssize_t got = read(child_.report.get(), &report, sizeof(report));
  if (got == sizeof(report) && report.step == ChildStep::kUnshared) {
    launcher_.Unstage(child_.lane);
    return;
  }
  loop_.Close(&child_.report);
  if (done_) loop_.SetTimer(this, &kill_at_, 0);  // else it is to go
  if (got != sizeof(report)) {
    launcher_.Release(child_.lane);
    Tell(std::move(channel_));
    return;
  }
  // On its last instruction, and on the lane's stack until it is gone.
  kill(child_.pid, SIGKILL);
  waitpid(child_.pid, nullptr, 0);
  launcher_.Release(child_.lane);
  loop_.Close(&child_.pidfd);
  Fail(absl::ErrnoToStatus(report.error, "the helper can't be started"));
}

void FileHelper::OnEvent(uint32_t tag, uint32_t /*events*/) {
  if (gone_) return;
  if (tag == kReport) {
    if (child_.report.valid()) OnReport();
    return;
  }
  if (child_.report.valid()) {  // it was killed before it could report
    launcher_.Unstage(child_.lane);
    loop_.Close(&child_.report);
    launcher_.Release(child_.lane);
    loop_.SetTimer(this, &kill_at_, 0);
  }
  loop_.Close(&child_.pidfd);
  waitpid(child_.pid, nullptr, WNOHANG);
  Fail(absl::UnavailableError("the helper ended before it ran"));
}

void FileHelper::OnTimer() {
  kill_at_ = 0;
  kill(child_.pid, SIGKILL);
  Tell(absl::UnavailableError("the helper takes too long to start"));
}

// --- all ----------------------------------------------------------------------------------------

void FileHelpers::Start(const void* owner, const std::string& program, const User& user,
                        std::optional<Credentials> credentials, FileHelper::Done done) {
  for (const auto& helper : helpers_) {
    if (helper->owner() != owner || helper->uid() != user.uid || helper->gone()) continue;
    if (helper->starting()) {
      done(absl::UnavailableError("one is being started already"));
      return;
    }
    helper->Abandon(/*grace_ns=*/0);
  }
  helpers_.push_back(
      std::make_unique<FileHelper>(loop_, *launcher_, owner, user.uid, std::move(done)));
  queued_.push_back({.helper = helpers_.back().get(),
                     .plan = PlanHelper(program, user, std::move(credentials)),
                     .program = program});
  LaunchQueued();
}

void FileHelpers::Drop(const void* owner) {
  for (const auto& helper : helpers_) {
    if (helper->owner() == owner) helper->Abandon(kLeaveNs);
  }
}

bool FileHelpers::Has(pid_t pid) const {
  return std::any_of(helpers_.begin(), helpers_.end(),
                     [pid](const auto& helper) { return helper->pid() == pid && !helper->gone(); });
}

void FileHelpers::LaunchQueued() {
  while (!queued_.empty() && launcher_->HasLane()) {
    Queued next = std::move(queued_.front());
    queued_.pop_front();
    if (!next.helper->gone()) next.helper->Launch(std::move(next.plan), next.program);
  }
}

void FileHelpers::EndTurn() {
  std::erase_if(queued_, [](const Queued& queued) { return queued.helper->gone(); });
  std::erase_if(helpers_, [](const auto& helper) { return helper->gone(); });
}

}  // namespace nacre::keeper
