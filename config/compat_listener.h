#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/address.h"

namespace nacre {

// A listener of the compatibility port as its operator asked for it. Value; parsed once, and can't
// be wrong.
struct CompatListener {
  enum class Dialect { kFramed };
  // How the two outputs make one reply: the one, then the other; or standard error alone where
  // there is any.
  enum class Order { kOutErr, kErrOut, kErrOrOut };
  // Whether a request is raw text, has a length before it, or may be either.
  enum class RequestStyle { kAuto, kRaw, kFramed };

  // Of commands and output. The node itself speaks UTF-8; with kGbk both are translated.
  enum class Encoding { kUtf8, kGbk };

  // What a length prefix of four signed bytes can say.
  static constexpr uint64_t kMaxFramedReply = 2'147'483'647;

  // `DIALECT=HOST:PORT[,KEY=VALUE…]`. INVALID_ARGUMENT names what is wrong, with the nearest right
  // word for a dialect or key that does not exist; so do addresses beyond loopback, since nobody
  // who calls there proves who they are.
  static absl::StatusOr<CompatListener> Parse(std::string_view text);

  // "framed=127.0.0.1:9100"
  std::string ToString() const;

  Dialect dialect = Dialect::kFramed;
  Address address;
  Order order = Order::kOutErr;
  RequestStyle request = RequestStyle::kAuto;
  Encoding encoding = Encoding::kUtf8;
  // File of the secret that callers have to prove; empty: none.
  std::string secret_file;
  // What a command may take; 0: no bound.
  int64_t timeout_ns = 0;
  // How long a connection may be without a whole request; 0: no bound.
  int64_t idle_timeout_ns = 3'600'000'000'000;
  // How long a client may take none of its reply; 0: no bound.
  int64_t write_timeout_ns = 60'000'000'000;
  // Bytes of a command.
  uint64_t max_request = 64 * 1024;
  // Bytes of a reply.
  uint64_t max_output = kMaxFramedReply;
  uint64_t max_connections = 1024;
  // Command that closes the connection; empty: none does.
  std::string quit;
};

std::string_view ToString(CompatListener::Dialect dialect);

}  // namespace nacre
