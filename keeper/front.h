#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/seqpacket.h"
#include "base/unique_fd.h"
#include "keeper/archive.h"
#include "keeper/front_process.h"
#include "keeper/loop.h"
#include "keeper/session.h"
#include "nacre/keeper/v1/keeper.pb.h"

namespace nacre::keeper {

class Front;

// What a front asks of the keeper that has started it.
class FrontHost {
 public:
  virtual ~FrontHost() = default;
  virtual Loop& loop() = 0;
  virtual Archive& archive() = 0;
  // One request, in their order, hello first. An error is a refusal, which the front logs.
  virtual absl::Status OnRequest(Front& front, const v1::FrontRequest& request,
                                 const UniqueFd* record_fd) = 0;
  // The process is gone, and all it said has been handled. Not destroyed before the turn is over.
  virtual void OnFrontExit(Front& front) = 0;
};

// One run of the front as the keeper sees it: what it says, what it has yet to hear, and how long
// it may take. Trusts it in nothing. Keeper's thread only.
class Front : public EventHandler {
 public:
  Front(FrontHost& host, FrontProcess process);
  ~Front() override { MustGoBy(0); }

  // Begins to listen to it. It has to be prepared soon, else it is killed.
  absl::Status Watch();

  // Answers its hello. One whose hello is not answered is killed.
  void Greet(const v1::KeeperMessage& welcome, const std::vector<int>& fds, uint32_t version);
  // It hears of all archived sessions and of those that are offered to it in this turn;
  // AdoptionDone with `next_session` follows.
  void HandOver(uint64_t next_session);
  // It serves now; for how long so far.
  void NoteServing();
  int64_t served_ns() const;

  // What it is to hear, in the next datagrams.
  void Tell(v1::KeeperEvent event) { told_.push_back(std::move(event)); }
  void TellNews(Session* session);
  void TellLog(uint64_t session) { wanted_logs_.push_back(session); }
  // Likewise, alone in a datagram with a descriptor, if that is valid.
  void TellWith(v1::KeeperEvent event, UniqueFd fd);
  // The session is no longer its business.
  void Drop(Session* session);
  // Sends what there is, as far as there is room.
  void Flush();

  // Kills it unless it has gone by then (MonotonicNs), or it is said otherwise before; 0: no bound.
  void MustGoBy(int64_t deadline) { host_.loop().SetTimer(this, &kill_at_, deadline); }
  void Kill(int signal) const { process_.Kill(signal); }

  int pid() const { return process_.pid(); }
  // How it ended, once it has.
  const std::string& how() const { return how_; }
  bool connected() const { return process_.connected(); }
  // The protocol that both speak; 0 before its hello.
  uint32_t version() const { return version_; }
  // It can take over, or has.
  bool prepared = false;

  void OnEvent(uint32_t tag, uint32_t events) override;
  void OnTimer() override;

 private:
  enum Tag : uint32_t { kChannel, kExit };

  // A datagram on its way.
  struct Outgoing {
    std::string bytes;
    UniqueFd fd;
  };

  void Receive();
  void Handle(seqpacket::Datagram datagram);
  void Refuse(const absl::Status& status);
  void Break();
  void DropChannel();
  Outgoing TakeOutgoing();
  std::string TakeNews();
  bool OfferArchived(v1::KeeperMessage* message, size_t* bytes);

  FrontHost& host_;
  FrontProcess process_;
  std::string how_;
  uint32_t version_ = 0;
  int64_t serves_since_ = 0, kill_at_ = 0;
  bool deaf_ = false;  // it takes nothing any more
  uint64_t refusals_ = 0;

  // Events that are no session's.
  std::deque<v1::KeeperEvent> told_;
  std::vector<Session*> news_;
  // Archived sessions whose logs it has asked for.
  std::deque<uint64_t> wanted_logs_;
  std::deque<Outgoing> opened_;
  // What the channel had no room for.
  Outgoing outgoing_;
  // Being handed over: the sessions of the front before; of the archived ones, those up to number
  // archived_told_ have been.
  bool handing_over_ = false, archived_over_ = false;
  uint64_t archived_told_ = 0, next_session_ = 0;
};

}  // namespace nacre::keeper
