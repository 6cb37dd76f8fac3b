#pragma once

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/address.h"
#include "bench/measure.h"
#include "bench/peers/command_server.h"
#include "bench/scratch_directory.h"
#include "bench/table.h"

namespace nacre::bench {

// The comparisons of the framed dialect, for Suite: Nacre and two peers, a plain Python server and
// OpenSSH, against the same floors. The peers run as long as this object lives; one that can't is
// left out. Not thread-safe.
class FramedGroups {
 public:
  // What one reply is measured with at most: a gibibyte.
  static constexpr uint64_t kMaxReplyBytes = 1 << 30;

  // Nacre serves the dialect at `address`. `slice` is the time of each timed measurement.
  static absl::StatusOr<std::unique_ptr<FramedGroups>> Start(const Address& address,
                                                             absl::Duration slice,
                                                             uint64_t reply_bytes);

  static const std::vector<std::string>& Names();

  // Adds one round of one of Names().
  absl::Status MeasureRound(const std::string& group);

  // What was measured so far.
  std::vector<Row> rows() const;
  // Prints the floors that it is made of, and which peer is left out.
  void PrintNotes(std::ostream& out) const;

 private:
  // Who is measured, with a row of each group.
  struct Contestant {
    std::string name;
    std::unique_ptr<CommandServer> server;
    Row latency, rate, reply;
  };

  FramedGroups(ScratchDirectory scratch, absl::Duration slice, uint64_t reply_bytes)
      : scratch_(std::move(scratch)), slice_(slice), reply_bytes_(reply_bytes) {}

  void Add(const std::string& name, std::unique_ptr<CommandServer> server);
  template <typename Peer>
  void AddPeer(const std::string& name, absl::StatusOr<std::unique_ptr<Peer>> peer);

  absl::StatusOr<Load> RepeatTrue(Contestant& contestant, int clients) const;
  absl::Status MeasureLatency();
  absl::Status MeasureRate();
  absl::Status MeasureReply();
  absl::StatusOr<double> CollectAndSend() const;

  const ScratchDirectory scratch_;
  const absl::Duration slice_;
  const uint64_t reply_bytes_;

  std::vector<Contestant> contestants_;  // Nacre first.
  std::vector<std::string> left_out_;
  std::vector<Load> spawns_, spawns_8_;
};

}  // namespace nacre::bench
