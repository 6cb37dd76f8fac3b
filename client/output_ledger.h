// The books of a session's output: proves that every byte came, once, in order, unchanged.
#ifndef NACRE_CLIENT_OUTPUT_LEDGER_H_
#define NACRE_CLIENT_OUTPUT_LEDGER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "nacre/client.h"

struct XXH3_state_s;

namespace nacre::client {

// Counts and hashes output as it arrives. Not thread-safe.
class OutputLedger {
 public:
  OutputLedger();
  ~OutputLedger();

  // Position that the next output must have.
  uint64_t position() const { return position_; }

  // Where the log begins for this reader.
  void StartAt(uint64_t position) {
    position_ = position;
    seen_whole_ = position == 0;
  }

  // Enters one piece of output. DATA_LOSS if it doesn't continue the last one.
  absl::Status Enter(OutputStream stream, uint64_t position, std::string_view data);

  // Enters output that this reader doesn't get. DATA_LOSS if it doesn't continue the last one.
  absl::Status Skip(uint64_t from, uint64_t to);

  // Compares with what the node counted: each stream's bytes and checksum if all of it was seen,
  // else where the log ends. DATA_LOSS names what differs.
  absl::Status Prove(const std::vector<StreamSummary>& summaries) const;

 private:
  struct FreeHash {
    void operator()(XXH3_state_s* state) const;
  };
  struct Stream {
    uint64_t bytes = 0;
    std::unique_ptr<XXH3_state_s, FreeHash> hash;
  };

  absl::Status ProveEnd(const std::vector<StreamSummary>& summaries) const;
  absl::Status ProveStreams(const std::vector<StreamSummary>& summaries) const;
  Stream& Of(OutputStream stream) { return streams_[static_cast<size_t>(stream)]; }

  uint64_t position_ = 0;
  bool seen_whole_ = true;
  std::array<Stream, 2> streams_;  // By OutputStream.
};

}  // namespace nacre::client

#endif  // NACRE_CLIENT_OUTPUT_LEDGER_H_
