#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "keeper/loop.h"
#include "keeper/spawner.h"
#include "keeper/users.h"

namespace nacre::keeper {

// One run of nacre-files, the program that opens files as its user, from its start until it is
// reaped. Keeper's thread only.
class FileHelper : public EventHandler {
 public:
  // Hears once whether it runs: the front's end of its channel, or why there is none.
  using Done = std::function<void(absl::StatusOr<UniqueFd>)>;

  FileHelper(Loop& loop, Launcher& launcher, const void* owner, uid_t uid, Done done)
      : loop_(loop), launcher_(launcher), owner_(owner), uid_(uid), done_(std::move(done)) {}
  ~FileHelper() override;

  // Starts the process; needs a free lane.
  void Launch(ChildPlan plan, const std::string& program);
  // It is no use to anybody any more: killed unless it has gone by itself after so long.
  void Abandon(int64_t grace_ns);

  const void* owner() const { return owner_; }
  uid_t uid() const { return uid_; }
  pid_t pid() const { return child_.pid; }
  // Whoever asked for it has yet to hear of it.
  bool starting() const { return done_ != nullptr; }
  // Reaped, or never started: may be destroyed once no events are dispatched.
  bool gone() const { return gone_; }

  void OnEvent(uint32_t tag, uint32_t events) override;
  void OnTimer() override;

 private:
  enum Tag : uint32_t { kReport, kExit };

  void OnReport();
  void Tell(absl::StatusOr<UniqueFd> result);
  void Fail(const absl::Status& why);

  Loop& loop_;
  Launcher& launcher_;
  const void* const owner_;
  const uid_t uid_;
  Done done_;
  Launcher::Child child_;
  UniqueFd channel_;
  int64_t kill_at_ = 0;
  bool gone_ = false;
};

// The helpers of all fronts: for each of them one a user. Starts them on lanes of their own, so
// that neither they nor commands wait for each other. Keeper's thread only.
class FileHelpers {
 public:
  // At most so many start at a time.
  static constexpr int kLanes = 2;

  FileHelpers(Loop& loop, std::unique_ptr<Launcher> launcher)
      : loop_(loop), launcher_(std::move(launcher)) {}

  // Starts `program` as `user`, with `credentials` if that is another than ours, for the front
  // `owner`. One that this front had for this user before is killed: it asks because it has lost
  // it. UNAVAILABLE while one is being started for it.
  void Start(const void* owner, const std::string& program, const User& user,
             std::optional<Credentials> credentials, FileHelper::Done done);
  // Ends those of a front that is gone, and tells it nothing more.
  void Drop(const void* owner);
  bool Has(pid_t pid) const;

  // Starts what waits for a lane. Once in each turn.
  void LaunchQueued();
  // Destroys what is gone. While no events are dispatched.
  void EndTurn();

 private:
  struct Queued {
    FileHelper* helper;
    ChildPlan plan;
    std::string program;
  };

  Loop& loop_;
  const std::unique_ptr<Launcher> launcher_;
  std::vector<std::unique_ptr<FileHelper>> helpers_;
  std::deque<Queued> queued_;
};

}  // namespace nacre::keeper
