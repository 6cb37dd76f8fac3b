#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/seqpacket.h"
#include "base/throttle.h"
#include "base/unique_fd.h"
#include "keeper/archive.h"
#include "keeper/arena.h"
#include "keeper/audit_log.h"
#include "keeper/cgroups.h"
#include "keeper/file_helpers.h"
#include "keeper/front.h"
#include "keeper/listeners.h"
#include "keeper/loop.h"
#include "keeper/plan.h"
#include "keeper/session.h"
#include "keeper/spawner.h"
#include "keeper/users.h"

namespace nacre::keeper {

// An address to listen on, under the name by which a front knows it.
struct ListenOption {
  std::string name;
  Address address;
  // Said at the start, when not empty.
  std::string warning;
  // What callers have to prove there, for the front; empty: nothing.
  std::string secret_name, secret;
};

// What may change while the keeper runs.
struct ServingOptions {
  std::vector<ListenOption> listen;
  // Whom commands may run as.
  Users users;
  FrontProgram front;
  // Path of the program that opens files; empty: nobody gets at files.
  std::string files;
  bool insecure_loopback = false;
  // Group whose members may reach the Unix sockets; absent: none.
  std::optional<gid_t> socket_group;
  // Whether a front keeps files, in a directory of its own inside the state directory.
  bool spool = false;
};

struct KeeperOptions {
  std::string state_dir;
  // How long SIGTERM lets sessions run on.
  int64_t drain_timeout_ns = 0;
  // cgroup to divide among the sessions: "auto" is this process's own, if it is delegated; "off":
  // none; or a path.
  std::string cgroup = "auto";
  ServingOptions serving;
  // Reads the options again, for SIGHUP.
  std::function<absl::StatusOr<ServingOptions>()> reload;
  // How many sessions may have a slot at once.
  uint32_t max_sessions = 16384;
  // Makes what starts processes, with so many lanes; the bounds on open files are those of
  // children.
  std::function<absl::StatusOr<std::unique_ptr<Launcher>>(int lanes, uint64_t nofile_soft,
                                                          uint64_t nofile_hard)>
      make_launcher = Spawner::Create;
};

// Owns the children and their bytes, the listening sockets, the audit and the front. One thread:
// everything happens inside Run.
//
// Fronts: `front_` serves, or is about to. SIGHUP starts `successor_` beside it; once that one is
// prepared, `front_` is told to retire, keeps the sessions that it alone can finish, and becomes
// one of `retired_`; the others go to the successor, which is `front_` from then on.
class Keeper : public SessionHost, public FrontHost, public EventHandler {
 public:
  // Takes the state directory and the addresses; an error says which and why.
  static absl::StatusOr<std::unique_ptr<Keeper>> Create(KeeperOptions options);

  // Serves until SIGTERM or SIGINT have been obeyed. An error: the first front can't be started.
  absl::Status Run();

  Loop& loop() override { return loop_; }
  Launcher& launcher() override { return *launcher_; }
  Arena& arena() override { return *arena_; }
  Archive& archive() override { return *archive_; }
  bool IsOwnChild(pid_t pid) const override;
  void OnNews(Session* session) override;
  void OnRunnable(Session* session) override;
  void OnEnd(Session* session) override;
  bool MayWiden() const override { return running_ <= max_wide_; }
  absl::Status OnRequest(Front& front, const v1::FrontRequest& request,
                         const UniqueFd* record_fd) override;
  void OnFrontExit(Front& front) override;

  void OnEvent(uint32_t tag, uint32_t events) override;
  void OnTimer() override;

 private:
  friend class KeeperPeer;  // of tests that go turn by turn

  explicit Keeper(KeeperOptions options) : options_(std::move(options)) {}

  absl::Status Open();
  // What Run does: once, and then in each turn. `wait`: for something to happen; whether it has.
  absl::Status Start();
  bool Turn(bool wait);
  absl::Status OpenListeners(const ServingOptions& serving);
  std::string SpoolPath() const;
  absl::Status OpenSpool();
  absl::Status OpenCgroups();

  // The fronts' lives.
  absl::StatusOr<std::unique_ptr<Front>> StartFront();
  absl::Status Hello(Front& front, const v1::Hello& hello);
  void StartNext(int64_t served_ns);
  void OnPrepared(Front& front);
  void OnRetired();
  void TakeOver();
  void HandOver(Front& front);
  static void Offer(Front& front, const std::vector<Session*>& sessions);
  void Upgrade();
  absl::Status Reload();
  void Unload();
  std::vector<Front*> Fronts() const;

  // The fronts' requests.
  absl::Status HandleSpawn(Front& front, const v1::Spawn& spawn, const UniqueFd* record_fd);
  absl::Status StartSession(Front& front, uint64_t number, v1::SpawnRecord record);
  absl::StatusOr<std::unique_ptr<Cgroup>> MakeCgroup(uint64_t number, const v1::Limits& limits);
  absl::Status HandleSession(Front& front, uint64_t number, const v1::FrontRequest& request);
  absl::Status HandleAudit(Front& front, const v1::AuditRecord& record);
  absl::Status SetDraining(Front& front, const v1::SetDraining& asked);
  void HandleOpenFiles(Front& front, const std::string& name);
  std::optional<Credentials> CredentialsOf(const User& user) const;
  absl::Status HandleArchive(Session* session);
  absl::StatusOr<Session*> Find(const Front& front, uint64_t number);

  void PumpRunnable();
  void LaunchQueued();
  void LetGo(Session* session);
  void EndTurn();
  void Reap();

  // Shutting down.
  void OnSignal();
  void BeginDrain();
  void EndAlone();
  void EndSessions();
  bool Done() const { return draining_ && Fronts().empty() && sessions_.empty(); }
  void ArmTimer();

  // What is served, all of it or what was before.
  struct Served {
    ServingOptions options;
    std::vector<std::shared_ptr<Listener>> listeners;
    Users users;
  };

  KeeperOptions options_;
  Loop loop_;
  // The front's starts have a lane of their own: commands that hang in theirs don't stop it.
  std::unique_ptr<Launcher> launcher_, front_launcher_;
  std::unique_ptr<FileHelpers> file_helpers_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<AuditLog> audit_;
  std::unique_ptr<Cgroups> cgroups_;
  UniqueFd lock_, signals_;
  std::vector<std::shared_ptr<Listener>> listeners_;
  Users users_;
  // What the front that serves was started with, until its successor has shown that it can.
  std::optional<Served> before_reload_;
  std::string node_id_;
  uint32_t epoch_ = 0;
  int64_t start_unix_ns_ = 0;
  size_t max_descriptors_ = 0;
  // With more sessions than this, no further pipe is widened.
  size_t max_wide_ = 0;

  std::unique_ptr<Front> front_, successor_;
  std::vector<std::unique_ptr<Front>> retired_, gone_;
  Backoff backoff_;
  bool retiring_ = false;  // front_ has been told to

  std::map<uint64_t, std::unique_ptr<Session>> sessions_;
  std::unique_ptr<Archive> archive_;
  uint64_t next_session_ = 1;
  size_t running_ = 0;
  // Of the sessions that run: what they hold at most, and their first processes.
  size_t descriptors_ = 0;
  std::set<pid_t> leaders_;
  std::deque<Session*> queued_;
  std::vector<Session*> runnable_, starting_;
  int64_t max_starts_of_user_ = 1;
  std::vector<uint64_t> forgotten_;
  Throttle start_warnings_{/*burst=*/20, /*period_ns=*/1'000'000'000};

  bool draining_ = false;
  // Somebody wants no new sessions here; nothing ends by that.
  bool draining_asked_ = false;
  // Deadlines on CLOCK_MONOTONIC; 0: none.
  int64_t drain_deadline_ = 0, restart_at_ = 0, front_kill_at_ = 0, reap_at_ = 0, tidy_at_ = 0;
  int64_t armed_timer_ = 0;
};

}  // namespace nacre::keeper
