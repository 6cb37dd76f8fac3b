#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace nacre {

// Which ended sessions are kept, and until when: each for its time, and the newest of each owner
// and of the node as far as there is room. Not thread-safe.
class Retention {
 public:
  static constexpr size_t kMaxPerOwner = 20'000;
  static constexpr size_t kMaxPerNode = 30'000;

  explicit Retention(size_t max_per_owner = kMaxPerOwner, size_t max_per_node = kMaxPerNode)
      : max_per_owner_(max_per_owner), max_per_node_(max_per_node) {}

  // A session has ended; it is kept until `expires_ns`. Returns another one that must go for it.
  std::optional<uint64_t> Add(uint64_t session, const std::string& owner, int64_t expires_ns);
  // A session is kept no more. Unknown ones are ignored.
  void Remove(uint64_t session);
  // Takes out those whose time is over.
  std::vector<uint64_t> TakeExpired(int64_t now_ns);
  // When the next one's time is over.
  std::optional<int64_t> next_expiry() const;
  // Until when a session is kept; 0 if it is not.
  int64_t expiry(uint64_t session) const;
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    const std::string* owner;
    uint64_t turn;  // its place in the order of ends
    int64_t expires_ns;
  };

  const size_t max_per_owner_, max_per_node_;
  uint64_t next_turn_ = 0;
  std::unordered_map<uint64_t, Entry> entries_;
  std::set<std::pair<int64_t, uint64_t>> by_expiry_;
  // Sessions in the order of their ends.
  std::map<uint64_t, uint64_t> by_turn_;
  std::map<std::string, std::map<uint64_t, uint64_t>> by_owner_;
};

}  // namespace nacre
