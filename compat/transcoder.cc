#include "compat/transcoder.h"

#include <errno.h>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"

namespace nacre::compat {
namespace {

// Whether a byte of UTF-8 belongs to the character before it.
bool IsContinuation(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }

}  // namespace

absl::StatusOr<Transcoder> Transcoder::Create(const char* from, const char* to) {
  iconv_t handle = iconv_open(to, from);
  if (handle == reinterpret_cast<iconv_t>(-1)) {  // NOLINT(performance-no-int-to-ptr): iconv's way
    return absl::UnimplementedError(absl::StrFormat("this system can't turn %s into %s", from, to));
  }
  return Transcoder(handle);
}

void Transcoder::Append(std::string_view piece, std::string* out) {
  waiting_.append(piece);
  char* in = waiting_.data();
  size_t left = waiting_.size();
  while (left > 0) {
    char buffer[4096];
    char* end = buffer;
    size_t room = sizeof(buffer);
    const size_t result = iconv(handle_.get(), &in, &left, &end, &room);
    const int error = errno;
    out->append(buffer, static_cast<size_t>(end - buffer));
    if (result != static_cast<size_t>(-1) || error == E2BIG) continue;
    if (error == EINVAL) break;  // the end cuts a character in two
    do {
      ++in;
      --left;
    } while (left > 0 && IsContinuation(*in));
    out->push_back('?');
    ++replaced_;
  }
  waiting_.erase(0, waiting_.size() - left);
}

void Transcoder::Finish(std::string* out) {
  out->append(waiting_.size(), '?');
  replaced_ += waiting_.size();
  waiting_.clear();
}

absl::StatusOr<std::string> DecodeGbk(std::string_view text) {
  auto decoder = Transcoder::Create("GBK", "UTF-8");
  if (!decoder.ok()) return decoder.status();
  std::string decoded;
  decoder->Append(text, &decoded);
  decoder->Finish(&decoded);
  if (decoder->replaced() > 0) return absl::InvalidArgumentError("the command is not GBK");
  return decoded;
}

}  // namespace nacre::compat
