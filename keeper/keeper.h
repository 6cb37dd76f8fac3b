#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/seqpacket.h"
#include "base/unique_fd.h"
#include "keeper/archive.h"
#include "keeper/arena.h"
#include "keeper/audit_log.h"
#include "keeper/front_process.h"
#include "keeper/listeners.h"
#include "keeper/loop.h"
#include "keeper/plan.h"
#include "keeper/session.h"
#include "keeper/spawner.h"

namespace nacre::keeper {

// An address to listen on, under the name by which a front knows it.
struct ListenOption {
  std::string name;
  Address address;
  // Said at the start, when not empty.
  std::string warning;
};

struct KeeperOptions {
  std::vector<ListenOption> listen;
  std::string state_dir;
  // Directory that a front keeps files in, inside state_dir; empty: none.
  std::string spool_dir;
  // Path of nacre-front.
  std::string front;
  // Passed on to the front.
  std::vector<std::string> front_arguments;
  bool insecure_loopback = false;
  // How long SIGTERM lets sessions run on.
  int64_t drain_timeout_ns = 0;
};

// Owns the children and their bytes, the listening sockets, the audit and the front. One thread:
// everything happens inside Run.
class Keeper : public SessionHost, public EventHandler {
 public:
  // Takes the state directory and the addresses; an error says which and why.
  static absl::StatusOr<std::unique_ptr<Keeper>> Create(KeeperOptions options);

  // Serves until SIGTERM or SIGINT have been obeyed. An error: the first front can't be started.
  absl::Status Run();

  Loop& loop() override { return loop_; }
  Spawner& spawner() override { return *spawner_; }
  Arena& arena() override { return *arena_; }
  void OnNews(Session* session) override;
  void OnRunnable(Session* session) override;
  void OnEnd(Session* session) override;

  void OnEvent(uint32_t tag, uint32_t events) override;
  void OnTimer() override;

 private:
  enum Tag : uint32_t { kSignals, kChannel, kFrontExit };

  // A datagram on its way to the front.
  struct Outgoing {
    std::string bytes;
    UniqueFd fd;
  };

  explicit Keeper(KeeperOptions options) : options_(std::move(options)) {}

  absl::Status Open();

  // The front's life.
  absl::Status StartFront();
  void OnFrontExit();
  void DropChannel();
  void ReceiveRequests();
  void FlushNews();
  Outgoing TakeOutgoing();
  std::string TakeNews();
  bool OfferArchived(v1::KeeperMessage* message, size_t* bytes);
  bool HandedOver() const;
  void Welcome(const v1::Hello& hello);

  // The front's requests.
  void Handle(seqpacket::Datagram datagram);
  absl::Status HandleRequest(const v1::FrontRequest& request, const UniqueFd* record_fd);
  absl::Status HandleSpawn(const v1::Spawn& spawn, const UniqueFd* record_fd);
  absl::Status StartSession(uint64_t number, v1::SpawnRecord record);
  absl::Status HandleArchive(uint64_t number);
  absl::Status HandleForget(uint64_t number);
  absl::StatusOr<Session*> Find(uint64_t number);
  void Refuse(const absl::Status& status);

  void PumpRunnable();
  void LaunchQueued();
  void DeleteForgotten();

  // Shutting down.
  void OnSignal();
  void BeginDrain();
  void EndSessions();
  bool Done() const { return draining_ && !front_.has_value() && sessions_.empty(); }
  void ArmTimer();

  const KeeperOptions options_;
  Loop loop_;
  std::unique_ptr<Spawner> spawner_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<AuditLog> audit_;
  UniqueFd lock_, signals_;
  std::vector<Listener> listeners_;
  User user_;
  uint32_t epoch_ = 0;
  size_t max_running_ = 0;

  std::optional<FrontProcess> front_;
  Backoff backoff_;
  bool front_greeted_ = false;
  bool front_deaf_ = false;  // it takes nothing any more
  int64_t front_ready_at_ = 0;
  // The sessions of the front before are being handed over; of the archived ones, those up to
  // number archived_told_ have been.
  bool handing_over_ = false, archived_over_ = false;
  uint64_t archived_told_ = 0;
  // A datagram that the channel had no room for.
  Outgoing outgoing_;
  // Archived sessions whose logs the front has asked for.
  std::deque<uint64_t> wanted_logs_;
  uint64_t refusals_ = 0;

  std::map<uint64_t, std::unique_ptr<Session>> sessions_;
  std::unique_ptr<Archive> archive_;
  uint64_t next_session_ = 1;
  size_t running_ = 0;
  std::deque<Session*> queued_;
  std::vector<Session*> runnable_, news_;
  // News of commands that never ran.
  std::vector<v1::SpawnFailed> failed_spawns_;
  std::vector<uint64_t> forgotten_;

  bool draining_ = false, news_drain_ = false;
  // Deadlines on CLOCK_MONOTONIC; 0: none.
  int64_t drain_deadline_ = 0, restart_at_ = 0, front_kill_at_ = 0;
  int64_t armed_timer_ = 0;
};

}  // namespace nacre::keeper
