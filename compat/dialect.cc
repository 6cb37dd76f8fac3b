#include "compat/dialect.h"

#include "compat/frame_length.h"
#include "compat/framed_decoder.h"

namespace nacre::compat {
namespace {

// Length, then standard output and standard error.
class Framed : public Dialect {
 public:
  std::unique_ptr<RequestDecoder> NewDecoder(const CompatListener& options) const override {
    return std::make_unique<FramedDecoder>(options.request, options.max_request);
  }
  std::string ReplyHead(uint64_t bytes) const override {
    return PackLength(static_cast<uint32_t>(bytes));
  }
  uint64_t max_reply() const override { return CompatListener::kMaxFramedReply; }
};

}  // namespace

const Dialect& DialectOf(const CompatListener& options) {
  static const auto& framed = *new Framed();
  switch (options.dialect) {
    case CompatListener::Dialect::kFramed:
      break;
  }
  return framed;
}

}  // namespace nacre::compat
