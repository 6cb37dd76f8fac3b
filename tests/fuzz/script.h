#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// What an input of keeper_messages_fuzz says: who does what, in order. Any bytes are a script.
namespace nacre::keeper {

// One act: three bytes, and behind those of kSay two of a size (little-endian) and as many of a
// datagram.
struct Act {
  enum Kind : uint8_t {
    kSay,     // front `who` sends the datagram with the descriptors that `how` tells
    kHear,    // front `who` takes what waits for it
    kLeave,   // front `who` exits; odd `how`: it only closes its channel
    kWrite,   // command `who` writes 2^(how / 2 % 18) bytes, odd `how`: to standard error
    kRead,    // command `who` reads its input; odd `how`: closes it
    kReport,  // command `who` says how its start goes: see ReportOf in keeper_world.cc
    kExit,    // command `who` exits with status `how`; from 128 on by a signal, or held open
    kWait,    // 2^(how % 18) ms go by
    kSystem,  // how % 4: SIGHUP; SIGHUP with a broken configuration; SIGTERM; starts fail from now
              // on, or no longer
    kKinds
  };

  Kind kind = kSay;
  // The highest bit of the first byte: the keeper sees it together with the next one.
  bool at_once = false;
  // Counted among those who live, modulo their number.
  uint8_t who = 0;
  uint8_t how = 0;
  std::string datagram;
};

std::vector<Act> ParseScript(std::string_view bytes);
std::string WriteScript(const std::vector<Act>& acts);

}  // namespace nacre::keeper
