#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "base/throttle.h"
#include "executor/command_spec.h"
#include "executor/files.h"
#include "executor/identity.h"
#include "executor/keeper_link.h"
#include "executor/policy.h"
#include "executor/retention.h"
#include "executor/session.h"

namespace nacre {

// Starts commands and finds their sessions: the only way in for every front end, with policy and
// audit inside. All methods on the loop that it was given.
//
//   auto start = executor.Start(identity, spec, &follower);
//   … follower.OnStarted(): session->OpenLog(…), session->WriteInput(…) …
//   … follower.OnProgress() until session->termination() and its log is read …
//   session->Leave(&follower, Session::Leaving::kDone);
class Executor {
 public:
  Executor(asio::io_context& loop, KeeperLink& keeper, const Policy& policy);

  struct StartResult {
    std::shared_ptr<Session> session;
    // It had been started before, under the same request id; nobody has joined it by this.
    bool already = false;
  };
  // Starts a command. `driver` drives it, and leaves it before it goes; null: nobody drives it.
  // PERMISSION_DENIED, ALREADY_EXISTS/REQUEST_ID_REUSED, or UNAVAILABLE/DRAINING; how the start
  // itself went is told to the followers.
  absl::StatusOr<StartResult> Start(const Identity& identity, const CommandSpec& spec,
                                    SessionFollower* driver);

  // A session that `identity` may use, for what the audit is told: `verb` and `how`; without a verb
  // it is only looked at, and the audit is told nothing. NOT_FOUND, with NODE_RESTARTED for one of
  // an earlier keeper.
  absl::StatusOr<std::shared_ptr<Session>> Find(const Identity& identity, const std::string& id,
                                                const std::string& verb = {},
                                                const std::string& how = {});

  // The same for a call that brings input: a line in the audit is for the first of many.
  absl::StatusOr<std::shared_ptr<Session>> FindForInput(const Identity& identity,
                                                        const std::string& id);

  // The sessions of numbers above `after` that `identity` may use and `wanted` takes, in order, at
  // most `limit`.
  std::vector<std::shared_ptr<Session>> List(
      const Identity& identity, uint64_t after, size_t limit,
      const std::function<bool(const Session&)>& wanted) const;

  // Forgets a session of Find; one that runs is ended first, on behalf of `by`.
  void Delete(const Identity& by, Session& session);

  // When an ended session will be forgotten, on the monotonic clock.
  int64_t expiry_ns(const Session& session) const {
    return session.termination().has_value() ? session.end_ns() + session.retention_ns() : 0;
  }

  // What is done with files.
  Files& files() { return files_; }
  const Files& files() const { return files_; }

  // Writes into the audit that a front end refused what was to be a request. Some a second: of
  // more, the next line says how many there were.
  void AuditRefusal(const Identity& identity, const std::string& why);

  // Calls `then` once what was done so far can't be lost with this process: an answer that says it
  // is done goes out then.
  void WhenKept(std::function<void()> then) { keeper_.WhenSent(std::move(then)); }

  // An event of the keeper, with the descriptor that came beside it, if any.
  void OnEvent(const keeper::v1::KeeperEvent& event, UniqueFd fd);

  // Another front takes over: lets go of every session but those whose reply only this front can
  // give, says so to the keeper, and answers everything from now on with
  // UNAVAILABLE/FRONT_RESTARTING.
  void Retire();
  // OK, or that.
  absl::Status CheckServing() const;

  // Has the keeper refuse new sessions, or take them again, whatever becomes of this process;
  // `done` is called once that is in force, or later than this if it is not: PERMISSION_DENIED,
  // UNAVAILABLE with AUDIT_UNAVAILABLE, FRONT_RESTARTING, or DRAIN_UNAVAILABLE of an older keeper.
  void SetDraining(const Identity& identity, bool draining, std::function<void(absl::Status)> done);

  // The node shuts down: refuses new sessions from now on and calls `on_idle` once no command runs.
  void Stop(std::function<void()> on_idle);

  size_t running() const { return running_; }
  // Of them, those that `identity` has started.
  size_t RunningOf(const Identity& identity) const;
  // Sessions that have ended and are retained.
  size_t retained() const { return retention_.size(); }
  // Whether new sessions are refused, and whether that is for good.
  bool draining() const { return draining_ || stopping_; }
  bool stopping() const { return stopping_; }
  // First part of all session ids of this keeper.
  std::string Epoch() const;

 private:
  void Adopt(const keeper::v1::Adopted& adopted);
  std::shared_ptr<Session> FindRequest(const Identity& identity, const std::string& request_id);
  std::string SessionId(uint64_t number) const;
  void SendAudit(std::string line);
  void SendSpawn(uint64_t number, keeper::v1::SpawnRecord record);
  void Retain(const std::shared_ptr<Session>& session);
  void Remove(uint64_t number);
  void ArmExpiry();
  void NoteRunning(const Session& session);
  void NoteEnded(const Session& session);
  void CheckIdle();
  void OnDrainingSet(const keeper::v1::DrainingSet& set);

  asio::io_context& loop_;
  KeeperLink& keeper_;
  const Policy& policy_;
  Throttle refusals_;
  uint64_t next_number_;
  std::map<uint64_t, std::shared_ptr<Session>> sessions_;
  // Sessions by owner and request id.
  std::unordered_map<std::string, uint64_t> requests_;
  Retention retention_;
  Files files_;
  asio::steady_timer expiry_;
  int64_t expiry_at_ = 0;  // 0: the timer does not run
  size_t running_ = 0;
  std::unordered_map<std::string, size_t> running_of_;
  bool draining_, stopping_ = false, retired_ = false;
  // Who waits for what SetDraining has asked, by its id.
  std::map<uint64_t, std::function<void(absl::Status)>> asked_to_drain_;
  uint64_t next_drain_ = 1;
  std::function<void()> on_idle_;
};

}  // namespace nacre
