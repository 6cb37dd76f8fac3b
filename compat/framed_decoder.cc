#include "compat/framed_decoder.h"

#include "absl/strings/str_format.h"
#include "compat/frame_length.h"
#include "compat/raw_text.h"

namespace nacre::compat {
namespace {

using Style = CompatListener::RequestStyle;

bool IsWhiteSpace(char byte) { return byte == '\t' || byte == '\r' || byte == '\n'; }

}  // namespace

Decoded FramedDecoder::Decode(std::string_view bytes, Arrival arrival) {
  if (style_ == Style::kAuto) {
    const std::string_view head = bytes.substr(0, kLengthBytes);
    const bool control = static_cast<unsigned char>(head[0]) < 0x20;
    const bool whole = head.size() == kLengthBytes;
    const bool has_ff = head.find('\xff') != std::string_view::npos;
    if (head.find('\0') != std::string_view::npos) {
      style_ = Style::kFramed;
    } else if (head.find('\xff', 2) != std::string_view::npos) {
      return Decoded::Refused("a length that is negative or far too great");
    } else if (!whole && (control || has_ff)) {
      if (arrival != Arrival::kEnded) return Decoded::Incomplete();
      return Decoded::Refused("the connection ended within a length");
    } else if (!whole && arrival == Arrival::kOpen) {
      return Decoded::AwaitsSilence();
    } else if (has_ff || (control && !IsWhiteSpace(head[0]))) {
      return Decoded::Refused("neither a length nor text");
    } else {
      style_ = Style::kRaw;
    }
  }
  return style_ == Style::kRaw ? DecodeRawText(bytes, max_request_, arrival)
                               : DecodeFrame(bytes, arrival);
}

Decoded FramedDecoder::DecodeFrame(std::string_view bytes, Arrival arrival) const {
  if (bytes.size() < kLengthBytes) {
    if (arrival != Arrival::kEnded) return Decoded::Incomplete();
    return Decoded::Refused("the connection ended within a length");
  }
  const int32_t length = UnpackLength(bytes);
  if (length < 0) return Decoded::Refused(absl::StrFormat("the length %d is negative", length));
  const auto size = static_cast<size_t>(length);
  if (size > max_request_) {
    return Decoded::Refused(absl::StrFormat("a command of %d bytes is longer than %d (max_request)",
                                            size, max_request_));
  }
  if (bytes.size() - kLengthBytes < size) {
    if (arrival != Arrival::kEnded) return Decoded::Incomplete();
    return Decoded::Refused(absl::StrFormat("the connection ended after %d of %d bytes",
                                            bytes.size() - kLengthBytes, size));
  }
  return Decoded::Command(bytes.substr(kLengthBytes, size), kLengthBytes + size);
}

}  // namespace nacre::compat
