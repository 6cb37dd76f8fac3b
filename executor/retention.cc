#include "executor/retention.h"

namespace nacre {

std::optional<uint64_t> Retention::Add(uint64_t session, const std::string& owner,
                                       int64_t expires_ns) {
  const auto of_owner = by_owner_.try_emplace(owner).first;
  const uint64_t turn = next_turn_++;
  entries_.emplace(session,
                   Entry{.owner = &of_owner->first, .turn = turn, .expires_ns = expires_ns});
  by_expiry_.emplace(expires_ns, session);
  by_turn_.emplace(turn, session);
  of_owner->second.emplace(turn, session);
  std::optional<uint64_t> other;
  if (of_owner->second.size() > max_per_owner_) {
    other = of_owner->second.begin()->second;
  } else if (by_turn_.size() > max_per_node_) {
    other = by_turn_.begin()->second;
  }
  if (other.has_value()) Remove(*other);
  return other;
}

void Retention::Remove(uint64_t session) {
  const auto it = entries_.find(session);
  if (it == entries_.end()) return;
  const Entry entry = it->second;
  entries_.erase(it);
  by_expiry_.erase({entry.expires_ns, session});
  by_turn_.erase(entry.turn);
  const auto of_owner = by_owner_.find(*entry.owner);
  of_owner->second.erase(entry.turn);
  if (of_owner->second.empty()) by_owner_.erase(of_owner);
}

std::vector<uint64_t> Retention::TakeExpired(int64_t now_ns) {
  std::vector<uint64_t> expired;
  while (!by_expiry_.empty() && by_expiry_.begin()->first <= now_ns) {
    expired.push_back(by_expiry_.begin()->second);
    Remove(expired.back());
  }
  return expired;
}

std::optional<int64_t> Retention::next_expiry() const {
  if (by_expiry_.empty()) return std::nullopt;
  return by_expiry_.begin()->first;
}

int64_t Retention::expiry(uint64_t session) const {
  const auto it = entries_.find(session);
  return it == entries_.end() ? 0 : it->second.expires_ns;
}

}  // namespace nacre
