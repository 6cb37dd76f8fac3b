#include "keeper/loop.h"

#include <errno.h>
#include <sys/epoll.h>

#include <algorithm>

#include "base/clock.h"

namespace nacre::keeper {
namespace {

constexpr uint64_t kTagMask = 7;
constexpr int64_t kSecond = 1'000'000'000;

epoll_event MakeEvent(uint32_t events, EventHandler* handler, uint32_t tag) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = reinterpret_cast<uint64_t>(handler) | tag;
  return event;
}

}  // namespace

Loop::Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

absl::Status Loop::Add(int fd, uint32_t events, EventHandler* handler, uint32_t tag) {
  epoll_event event = MakeEvent(events, handler, tag);
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "epoll");
}

void Loop::Modify(int fd, uint32_t events, EventHandler* handler, uint32_t tag) {
  epoll_event event = MakeEvent(events, handler, tag);
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Loop::Close(UniqueFd* fd) {
  if (!fd->valid()) return;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd->get(), nullptr);
  fd->reset();
}

void Loop::SetTimer(EventHandler* handler, int64_t* current, int64_t deadline) {
  if (*current == deadline) return;
  if (*current != 0) timers_.erase({*current, handler});
  if (deadline != 0) timers_.emplace(deadline, handler);
  *current = deadline;
}

bool Loop::RunOnce(bool poll) {
  timespec wait{};
  const timespec* timeout = &wait;
  if (!poll && timers_.empty()) {
    timeout = nullptr;
  } else if (!poll) {
    const int64_t left = std::max<int64_t>(0, timers_.begin()->first - MonotonicNs());
    wait = {.tv_sec = left / kSecond, .tv_nsec = left % kSecond};
  }
  epoll_event events[128];
  const int count = epoll_pwait2(epoll_.get(), events, std::size(events), timeout, nullptr);
  for (int i = 0; i < count; ++i) {
    auto* handler =  // NOLINTNEXTLINE(performance-no-int-to-ptr): epoll keeps 64 bits for both
        reinterpret_cast<EventHandler*>(events[i].data.u64 & ~kTagMask);
    handler->OnEvent(events[i].data.u64 & kTagMask, events[i].events);
  }
  bool any = count > 0;
  if (timers_.empty()) return any;
  const int64_t now = MonotonicNs();
  // No more than there are now: one that sets itself anew for a time gone by waits for the next
  // round.
  for (size_t due = timers_.size(); due > 0 && !timers_.empty() && timers_.begin()->first <= now;
       --due) {
    // The handler sets its next timer itself; its own copy of this one is now stale, harmlessly.
    EventHandler* handler = timers_.begin()->second;
    timers_.erase(timers_.begin());
    handler->OnTimer();
    any = true;
  }
  return any;
}

}  // namespace nacre::keeper
