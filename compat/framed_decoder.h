#pragma once

#include "compat/frame_length.h"
#include "compat/request_decoder.h"
#include "config/compat_listener.h"

namespace nacre::compat {

// Requests of the dialects `framed` and `header`: a length before each, or raw text. Where the
// operator did not say which, the first request decides for the connection:
//
//   first four bytes                    it is
//   any NUL                             a length: a command holds no NUL, a length below 2^24 does
//   0xFF in the third or fourth         refused: a length that is negative or far too great
//   fewer, the first below 0x20         a length still arriving; so with 0xFF, which no text holds
//   fewer                               raw text, unless more comes before the silence
//   the first below 0x20 (but for tab,  refused: a length that is too great, or no text
//   CR and LF), or 0xFF
//   anything else                       raw text
class FramedDecoder : public RequestDecoder {
 public:
  FramedDecoder(CompatListener::RequestStyle style, size_t max_request)
      : style_(style), max_request_(max_request) {}

  Decoded Decode(std::string_view bytes, Arrival arrival) override;
  size_t max_bytes() const override { return max_request_ + kLengthBytes + 1; }

 private:
  Decoded DecodeFrame(std::string_view bytes, Arrival arrival) const;

  // kAuto until the first request has decided.
  CompatListener::RequestStyle style_;
  const size_t max_request_;
};

}  // namespace nacre::compat
