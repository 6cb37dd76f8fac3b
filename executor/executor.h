#pragma once

#include <asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "base/throttle.h"
#include "executor/command_spec.h"
#include "executor/identity.h"
#include "executor/keeper_link.h"
#include "executor/policy.h"
#include "executor/session.h"

namespace nacre {

// Starts commands: the only way in for every front end, with policy and audit inside. All methods
// on the loop that it was given.
//
//   auto session = executor.Start(identity, spec, &driver);
//   … driver.OnStarted(): session->reader(), session->WriteInput() …
//   … driver.OnProgress() until session->termination() and output_taken() …
//   session->Close();
class Executor {
 public:
  Executor(asio::io_context& loop, KeeperLink& keeper, const Policy& policy);

  // Starts a command for `driver`, which outlives the session or lets go of it by Close or Abandon.
  // PERMISSION_DENIED, or UNAVAILABLE/DRAINING; how the start itself went is told to the driver.
  absl::StatusOr<std::shared_ptr<Session>> Start(const Identity& identity, const CommandSpec& spec,
                                                 SessionDriver* driver);

  // Writes into the audit that a front end refused what was to be a request. Some a second: of
  // more, the next line says how many there were.
  void AuditRefusal(const Identity& identity, const std::string& why);

  // An event of the keeper.
  void OnEvent(const keeper::v1::KeeperEvent& event);

  // Refuses new sessions from now on and calls `on_idle` once none is left.
  void Drain(std::function<void()> on_idle);

  size_t sessions() const { return sessions_.size(); }

 private:
  void Adopt(const keeper::v1::Adopted& adopted);
  std::string SessionId(uint64_t number) const;
  void SendAudit(std::string line);
  void SendSpawn(uint64_t number, keeper::v1::SpawnRecord record);
  void CheckIdle();

  asio::io_context& loop_;
  KeeperLink& keeper_;
  const Policy& policy_;
  Throttle refusals_;
  uint64_t next_number_;
  std::unordered_map<uint64_t, std::shared_ptr<Session>> sessions_;
  bool draining_ = false;
  std::function<void()> on_idle_;
};

}  // namespace nacre
