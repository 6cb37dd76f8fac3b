#pragma once

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/unique_fd.h"

namespace nacre::keeper {

// Receives what a Loop waits for. Aligned so that a pointer to it leaves room for a tag.
class alignas(8) EventHandler {
 public:
  virtual ~EventHandler() = default;
  // `tag` (0 to 7) tells the handler's descriptors apart; `events` are epoll's.
  virtual void OnEvent(uint32_t tag, uint32_t events) = 0;
  virtual void OnTimer() {}
};

// The keeper's one epoll loop with one timer per handler. A handler must not be destroyed while
// events are dispatched: the owner puts that off until RunOnce has returned. One thread only.
class Loop {
 public:
  Loop();

  absl::Status Add(int fd, uint32_t events, EventHandler* handler, uint32_t tag);
  void Modify(int fd, uint32_t events, EventHandler* handler, uint32_t tag);
  // Takes `fd` out and closes it. Closing alone would not do: a child about to have its own
  // descriptor table may hold a copy for a moment, and events would go on for a handler that is no
  // more.
  void Close(UniqueFd* fd);

  // Calls OnTimer once at `deadline` (MonotonicNs), replacing the handler's earlier `*current`; 0
  // only takes that back. `*current` is the caller's copy of what is set.
  void SetTimer(EventHandler* handler, int64_t* current, int64_t deadline);

  // Waits for events (not at all if `poll`), then dispatches them and the timers that are due;
  // whether there were any.
  bool RunOnce(bool poll);

 private:
  UniqueFd epoll_;
  std::set<std::pair<int64_t, EventHandler*>> timers_;
};

}  // namespace nacre::keeper
