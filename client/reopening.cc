#include "client/reopening.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "client/repeat.h"

namespace nacre::client {

absl::Status Reopening::Open(const Attempt& attempt) {
  absl::Status status =
      connection_.Repeat([&](grpc::ClientContext* /*context*/) { return attempt(); });
  opened_at_ = absl::Now();
  return status;
}

absl::Status Reopening::OpenAgain(const absl::Status& cause, bool had_progress,
                                  const Attempt& attempt) {
  const absl::Time now = absl::Now();
  if (had_progress || now - opened_at_ > Backoff::kLast) {
    backoff_ = Backoff();
    lost_at_ = now;
  }
  lost_at_ = std::min(lost_at_, now);
  const absl::Time give_up_at = lost_at_ + connection_.resume_for;
  if (now >= give_up_at) return GiveUp(connection_.target, cause);
  absl::SleepFor(std::min(backoff_.Next(), give_up_at - now));
  if (!connection_.channel->WaitForConnected(absl::ToChronoTime(give_up_at))) {
    return GiveUp(connection_.target, cause);
  }
  const absl::Duration patience = std::max(give_up_at - absl::Now(), absl::ZeroDuration());
  absl::Status status = client::Repeat(connection_, patience,
                                       [&](grpc::ClientContext* /*context*/) { return attempt(); });
  opened_at_ = absl::Now();
  return status;
}

}  // namespace nacre::client
