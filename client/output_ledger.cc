#include "client/output_ledger.h"

#include <xxh_x86dispatch.h>  // xxhash.h, by this machine's vector instructions

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace nacre::client {
namespace {

const char* Name(OutputStream stream) {
  return stream == OutputStream::kStdout ? "standard output" : "standard error";
}

// The form that summaries have: big-endian, 16 bytes.
std::string Canonical(const XXH3_state_t& state) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state));
  return std::string(reinterpret_cast<const char*>(canonical.digest), sizeof canonical.digest);
}

}  // namespace

void OutputLedger::FreeHash::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

OutputLedger::OutputLedger() {
  for (Stream& stream : streams_) {
    stream.hash.reset(XXH3_createState());
    XXH3_128bits_reset(stream.hash.get());
  }
}

OutputLedger::~OutputLedger() = default;

absl::Status OutputLedger::Enter(OutputStream stream, uint64_t position, std::string_view data) {
  if (position != position_) {
    return absl::DataLossError(
        absl::StrCat("output was lost: expected position ", position_, ", got ", position));
  }
  position_ += data.size();
  Of(stream).bytes += data.size();
  XXH3_128bits_update(Of(stream).hash.get(), data.data(), data.size());
  return absl::OkStatus();
}

absl::Status OutputLedger::Skip(uint64_t from, uint64_t to) {
  if (from != position_ || to < from) {
    return absl::DataLossError(absl::StrCat("output was lost: expected position ", position_,
                                            ", got a gap from ", from, " to ", to));
  }
  position_ = to;
  seen_whole_ = false;
  return absl::OkStatus();
}

absl::Status OutputLedger::Prove(const std::vector<StreamSummary>& summaries) const {
  return seen_whole_ ? ProveStreams(summaries) : ProveEnd(summaries);
}

absl::Status OutputLedger::ProveEnd(const std::vector<StreamSummary>& summaries) const {
  uint64_t end = 0;
  for (const StreamSummary& summary : summaries) end += summary.bytes;
  if (position_ == end) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("output was lost: it came up to position ", position_,
                                          ", the node counted up to ", end));
}

absl::Status OutputLedger::ProveStreams(const std::vector<StreamSummary>& summaries) const {
  for (const OutputStream stream : {OutputStream::kStdout, OutputStream::kStderr}) {
    const Stream& received = streams_[static_cast<size_t>(stream)];
    const auto summary =
        std::find_if(summaries.begin(), summaries.end(),
                     [stream](const StreamSummary& one) { return one.stream == stream; });
    const uint64_t sent = summary == summaries.end() ? 0 : summary->bytes;
    if (received.bytes != sent) {
      return absl::DataLossError(absl::StrCat("output was lost: ", received.bytes, " bytes of ",
                                              Name(stream), " came, the node counted ", sent));
    }
    if (summary != summaries.end() && Canonical(*received.hash) != summary->xxh3_128) {
      return absl::DataLossError(absl::StrCat("output was changed on its way: the checksum of ",
                                              Name(stream), " differs"));
    }
  }
  return absl::OkStatus();
}

}  // namespace nacre::client
