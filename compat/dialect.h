#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "compat/request_decoder.h"
#include "config/compat_listener.h"

namespace nacre::compat {

// One old wire protocol: what is a request, and what goes before a reply. Constant; any thread.
class Dialect {
 public:
  virtual ~Dialect() = default;
  virtual std::unique_ptr<RequestDecoder> NewDecoder(const CompatListener& options) const = 0;
  // What a client is sent before so many bytes of data.
  virtual std::string ReplyHead(uint64_t bytes) const = 0;
  // The most bytes of data that a reply can say.
  virtual uint64_t max_reply() const = 0;
};

const Dialect& DialectOf(const CompatListener& options);

}  // namespace nacre::compat
