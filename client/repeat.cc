#include "client/repeat.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/backoff.h"
#include "client/connect_error.h"
#include "client/status.h"
#include "nacre/client.h"

namespace nacre::client {
namespace {

// How long a first connection is tried for. Later ones have the caller's patience.
constexpr absl::Duration kFirstConnection = absl::Seconds(5);

// Whether there is a connection, after one attempt at it at most.
bool Connect(grpc::Channel& channel) {
  for (;;) {
    const grpc_connectivity_state state = channel.GetState(/*try_to_connect=*/true);
    if (state == GRPC_CHANNEL_READY) return true;
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE || state == GRPC_CHANNEL_SHUTDOWN) return false;
    channel.WaitForStateChange(state, gpr_inf_future(GPR_CLOCK_REALTIME));
  }
}

}  // namespace

absl::Status GiveUp(const Target& target, const absl::Status& last) {
  absl::Status status = absl::UnavailableError(
      absl::StrCat("lost the connection to ", target.ToString(), ": ", last.message()));
  last.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { status.SetPayload(url, payload); });
  return status;
}

absl::Status Connection::Repeat(
    const std::function<grpc::Status(grpc::ClientContext*)>& attempt) const {
  return client::Repeat(*this, resume_for, attempt);
}

absl::Status Repeat(const Connection& connection, absl::Duration patience,
                    const std::function<grpc::Status(grpc::ClientContext*)>& attempt) {
  grpc::Channel* const channel = connection.channel.get();
  const Target& target = connection.target;
  Backoff backoff;
  // One that has answered before is restarting.
  const bool known = *connection.answered;
  const absl::Time connect_until =
      absl::Now() + (known ? patience : std::min(patience, kFirstConnection));
  while (!Connect(*channel)) {
    const absl::Time now = absl::Now();
    // Where nothing is wrong otherwise, the node's front end may just have gone.
    if (now >= connect_until || (!known && !WhyNoConnection(target).empty())) {
      const absl::Status status = ExplainNoConnection(target, "it does not take connections");
      return known ? GiveUp(target, status) : status;
    }
    absl::SleepFor(known ? std::min(backoff.Next(), connect_until - now) : backoff.Next());
  }
  backoff = Backoff();
  absl::Time lost_at = absl::InfiniteFuture();
  for (;;) {
    const absl::Time begun = absl::Now();
    grpc::ClientContext context;
    absl::Status status = FromGrpc(attempt(&context));
    if (!IsConnectionLoss(status)) {
      *connection.answered = true;
      return status;
    }
    const absl::Time now = absl::Now();
    // One that held for long was a connection of its own.
    if (now - begun > Backoff::kLast) {
      lost_at = now;
      backoff = Backoff();
    }
    lost_at = std::min(lost_at, now);
    const absl::Time give_up_at = lost_at + patience;
    if (now >= give_up_at) return GiveUp(target, status);
    absl::SleepFor(std::min(backoff.Next(), give_up_at - now));
    if (!channel->WaitForConnected(absl::ToChronoTime(give_up_at))) return GiveUp(target, status);
  }
}

}  // namespace nacre::client
