#pragma once

#include <iconv.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace nacre::compat {

// Turns a stream of bytes from one encoding into another, whatever its pieces. Not thread-safe.
class Transcoder {
 public:
  // Encodings by iconv's names. UNIMPLEMENTED: this system does not know one of them.
  static absl::StatusOr<Transcoder> Create(const char* from, const char* to);

  // Appends what `piece` becomes to `out`; into GBK never more bytes than came. A character that
  // its end cuts in two waits for the next piece. What is no character, or none of the other
  // encoding, becomes a question mark.
  void Append(std::string_view piece, std::string* out);
  // No piece follows: what still waits becomes question marks.
  void Finish(std::string* out);
  // How many question marks that were.
  uint64_t replaced() const { return replaced_; }

 private:
  struct Close {
    void operator()(void* handle) const { iconv_close(handle); }
  };

  explicit Transcoder(iconv_t handle) : handle_(handle) {}

  std::unique_ptr<void, Close> handle_;
  std::string waiting_;
  uint64_t replaced_ = 0;
};

// A whole text of GBK in UTF-8. INVALID_ARGUMENT: it is no GBK.
absl::StatusOr<std::string> DecodeGbk(std::string_view text);

}  // namespace nacre::compat
