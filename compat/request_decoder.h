#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace nacre::compat {

// What the connection knows about the bytes that may still come.
enum class Arrival {
  kOpen,    // more may come at any moment
  kSilent,  // nothing came for kSilence
  kEnded,   // nothing comes any more
};

// What the bytes at the front of a connection's buffer are.
struct Decoded {
  enum class Kind {
    kIncomplete,     // more is needed
    kAwaitsSilence,  // what it is shows when nothing follows for kSilence
    kCommand,        // `text` is a command; `consumed` bytes are used up
    kRefused,        // no request; `text` says why. Nothing after it can be trusted
    kForeign,        // as kRefused, by a peer that would not understand an answer
  };

  static Decoded Incomplete() { return {.kind = Kind::kIncomplete, .text = {}}; }
  static Decoded AwaitsSilence() { return {.kind = Kind::kAwaitsSilence, .text = {}}; }
  static Decoded Command(std::string_view text, size_t consumed) {
    return {.kind = Kind::kCommand, .text = std::string(text), .consumed = consumed};
  }
  static Decoded Refused(std::string why) {
    return {.kind = Kind::kRefused, .text = std::move(why)};
  }
  static Decoded Foreign(std::string why) {
    return {.kind = Kind::kForeign, .text = std::move(why)};
  }

  Kind kind;
  std::string text;
  size_t consumed = 0;
};

// Finds a connection's requests in its bytes. One per connection; not thread-safe.
class RequestDecoder {
 public:
  virtual ~RequestDecoder() = default;
  // What `bytes`, all that have come and are not consumed, are. Never empty bytes. With
  // Arrival::kEnded the answer is final: a command, or none.
  virtual Decoded Decode(std::string_view bytes, Arrival arrival) = 0;
  // As many bytes as it may need at once to decide.
  virtual size_t max_bytes() const = 0;
};

}  // namespace nacre::compat
