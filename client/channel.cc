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
// A network that is cut says nothing: after 9 s without an answer the connection counts as lost.
constexpr int kKeepaliveMilliseconds = 3000;
constexpr int kKeepaliveTimeoutMilliseconds = 6000;
// A node's front comes back within some 10 ms; who waits out gRPC's usual second notices.
constexpr int kFirstReconnectMilliseconds = 50;
constexpr int kLastReconnectMilliseconds = 1000;

// A Unix socket's other end can't vanish without a word.
void KeepAlive(grpc::ChannelArguments& arguments) {
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMilliseconds);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMilliseconds);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // As many as a quiet call needs.
}

}  // namespace

std::shared_ptr<grpc::Channel> MakeChannel(const Target& target, absl::Duration connect_timeout) {
  const int64_t milliseconds = absl::ToInt64Milliseconds(connect_timeout);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  arguments.SetUserAgentPrefix("nacre/" NACRE_VERSION);
  // The target decides where we connect, not the environment and not DNS.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // What was sent is sent again by us alone, who know what can be.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // Another client's failed attempt doesn't delay ours.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                   static_cast<int>(std::clamp<int64_t>(milliseconds, 100, 3'600'000)));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMilliseconds);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLastReconnectMilliseconds);
  if (target.path.empty()) KeepAlive(arguments);
  // Fixed windows: probing the bandwidth of a local socket costs pings and gains nothing.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamWindowBytes);
  return grpc::CreateCustomChannel(target.ToGrpcUri(), grpc::InsecureChannelCredentials(),
                                   arguments);
}

}  // namespace nacre::client
