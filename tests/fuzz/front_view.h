#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "base/seqpacket.h"
#include "nacre/keeper/v1/keeper.pb.h"
#include "tests/fuzz/fake_machine.h"

namespace nacre::keeper {

// Byte number `offset` of what a command writes to one of its outputs.
char OutputByte(uint64_t session, uint64_t offset);

// Ends the program unless a slot (base/ring_layout.h) holds what the command has written, in order.
void CheckSlot(const char* slot, size_t ring_bytes, const FakeProcess& command);

// What one front has said and heard. Ends the program when it hears what no keeper may say to it.
class FrontView {
 public:
  // The process of a session; null: it was never started.
  using FindCommand = std::function<const FakeProcess*(uint64_t session)>;
  explicit FrontView(FindCommand find_command) : find_command_(std::move(find_command)) {}

  void Said(const v1::FrontMessage& message);
  void Heard(const seqpacket::Datagram& datagram);

  bool has_all() const { return adoption_done_; }
  uint64_t next_session() const { return next_session_; }
  bool Knows(uint64_t session) const { return sessions_.contains(session); }
  bool Failed(uint64_t session) const;
  // Whether it was told of the session and has neither forgotten nor archived it.
  bool Holds(uint64_t session) const;
  std::vector<uint64_t> Sessions() const;
  // Null: it has not ended, or the front does not know.
  const v1::Terminated* End(uint64_t session) const;

 private:
  enum class Life { kStarting, kRunning, kEnded, kFailed };

  void OnWelcome(const v1::Welcome& welcome, size_t fds);
  void OnSpawned(uint64_t session);
  void OnSpawnFailed(const v1::SpawnFailed& failure);
  void OnTerminated(const v1::Terminated& end);
  void OnAdopted(const v1::Adopted& adopted);
  void OnAdoptionDone(const v1::AdoptionDone& done);
  void OnLogOpened(const v1::LogOpened& opened, const seqpacket::Datagram& datagram);

  FindCommand find_command_;
  bool welcome_ = false, prepared_ = false, adoption_done_ = false, retire_ = false;
  uint64_t next_session_ = 0;
  // Spawns that it has asked for, and logs.
  std::set<uint64_t> asked_;
  std::set<uint64_t> let_go_;
  size_t logs_asked_ = 0, logs_told_ = 0;
  int files_asked_ = 0, audits_asked_ = 0, drains_asked_ = 0;
  // What it was told of sessions.
  std::map<uint64_t, Life> sessions_;
  std::map<uint64_t, v1::Terminated> ends_;
};

}  // namespace nacre::keeper
