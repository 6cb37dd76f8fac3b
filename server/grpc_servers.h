#pragma once

#include <asio/io_context.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/unique_fd.h"
#include "executor/executor.h"
#include "executor/identity.h"
#include "nacre/v1/node.pb.h"
#include "server/io_pool.h"

namespace nacre {

// What each of its servers takes: a message's size, and calls at once on a connection.
inline constexpr int kMaxReceiveBytes = 4 * 1024 * 1024;
inline constexpr int kMaxStreamsPerConnection = 1000;

// The gRPC side of the front: one small grpc::Server per identity, made when its first connection
// comes, so that every call knows who is calling without asking the connection. Loop only, except
// Shutdown.
class GrpcServers {
 public:
  // `facts`: what GetNode tells that doesn't change while this process lives. `stream_idle_ns`: how
  // long nothing may happen on a stream; 0: for ever.
  GrpcServers(asio::io_context& loop, Executor& executor, v1::Node facts, int64_t stream_idle_ns);
  ~GrpcServers();

  // Hands an accepted, non-blocking connection of `identity` to gRPC. RESOURCE_EXHAUSTED: too many
  // identities at once.
  absl::Status Serve(const Identity& identity, UniqueFd connection);

  // Says NOT_SERVING to health checks from now on.
  void StopServing();

  // Lets calls end until `deadline`, then cuts them. Blocks: not on the loop, which must go on
  // running, and with no Serve under way or to come.
  void Shutdown(std::chrono::system_clock::time_point deadline);

 private:
  struct Principal;

  asio::io_context& loop_;
  Executor& executor_;
  const v1::Node facts_;
  const int64_t stream_idle_ns_;
  IoPool pool_;
  std::map<std::string, std::unique_ptr<Principal>> principals_;
};

}  // namespace nacre
