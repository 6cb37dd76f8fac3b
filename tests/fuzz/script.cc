#include "tests/fuzz/script.h"

#include <algorithm>

namespace nacre::keeper {
namespace {

// More only take longer.
constexpr size_t kMaxActs = 100;
constexpr uint8_t kAtOnce = 128;

}  // namespace

std::vector<Act> ParseScript(std::string_view bytes) {
  std::vector<Act> acts;
  const auto take = [&bytes] {
    const auto byte = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    return byte;
  };
  while (bytes.size() >= 3 && acts.size() < kMaxActs) {
    Act act;
    const uint8_t kind = take();
    act.kind = static_cast<Act::Kind>(kind % kAtOnce % Act::kKinds);
    act.at_once = kind >= kAtOnce;
    act.who = take();
    act.how = take();
    if (act.kind == Act::kSay) {
      if (bytes.size() < 2) break;
      size_t size = take();
      size |= size_t{take()} << 8;
      act.datagram = bytes.substr(0, size);
      bytes.remove_prefix(act.datagram.size());
    }
    acts.push_back(std::move(act));
  }
  return acts;
}

std::string WriteScript(const std::vector<Act>& acts) {
  std::string bytes;
  const auto put = [&bytes](size_t byte) { bytes.push_back(static_cast<char>(byte & 0xff)); };
  for (const Act& act : acts) {
    put(act.kind + (act.at_once ? kAtOnce : 0));
    put(act.who);
    put(act.how);
    if (act.kind != Act::kSay) continue;
    const size_t size = std::min<size_t>(act.datagram.size(), 0xffff);
    put(size);
    put(size >> 8);
    bytes.append(act.datagram, 0, size);
  }
  return bytes;
}

}  // namespace nacre::keeper
