#include "client/channel.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cstdint>

namespace nacre::client {
namespace {

// Above what a node sends in one message, and a bound on what a broken one can make us hold.
constexpr int kMaxReceiveBytes = 16 << 20;
// Output on its way to a reader that is behind. Nodes hold less than this per session.
constexpr int kStreamWindowBytes = 1 << 20;

}  // namespace

std::shared_ptr<grpc::Channel> MakeChannel(const Target& target, absl::Duration connect_timeout) {
  const int64_t milliseconds = absl::ToInt64Milliseconds(connect_timeout);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  arguments.SetUserAgentPrefix("nacre/" NACRE_VERSION);
  // The target decides where we connect, not the environment and not DNS.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // A start that was sent is never sent again by itself: it might run twice.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // Another client's failed attempt doesn't delay ours.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                   static_cast<int>(std::clamp<int64_t>(milliseconds, 100, 3'600'000)));
  // Fixed windows: probing the bandwidth of a local socket costs pings and gains nothing.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamWindowBytes);
  return grpc::CreateCustomChannel(target.ToGrpcUri(), grpc::InsecureChannelCredentials(),
                                   arguments);
}

}  // namespace nacre::client
