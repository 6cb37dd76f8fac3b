#include "bench/framed_groups.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/child.h"
#include "bench/collect_floor.h"
#include "bench/commands.h"
#include "bench/peers/framed_server.h"
#include "bench/peers/python_peer.h"
#include "bench/peers/ssh_peer.h"

namespace nacre::bench {
namespace {

constexpr int kClients = 50;
constexpr int kFloorThreads = 8;

// The spawn floor: what it costs to have the shell run a command and learn its output and status.
absl::Status SpawnTrue() {
  auto child = Child::Spawn(ShellCommand(kTrueText));
  return child.ok() ? child->Finish().status() : child.status();
}

}  // namespace

const std::vector<std::string>& FramedGroups::Names() {
  static const auto& names = *new std::vector<std::string>{"framed", "framed-rate", "framed-reply"};
  return names;
}

absl::StatusOr<std::unique_ptr<FramedGroups>> FramedGroups::Start(const Address& address,
                                                                  absl::Duration slice,
                                                                  uint64_t reply_bytes) {
  auto scratch = ScratchDirectory::Make();
  if (!scratch.ok()) return scratch.status();
  std::unique_ptr<FramedGroups> groups(
      new FramedGroups(*std::move(scratch), slice, std::min(reply_bytes, kMaxReplyBytes)));
  groups->Add("framed", std::make_unique<FramedServer>(address));
  Contestant& nacre = groups->contestants_.front();
  nacre.latency.goal = Row::Goal::kAtMost;
  nacre.latency.bound = 1.15;
  nacre.reply.goal = Row::Goal::kAtLeast;
  nacre.reply.bound = 0.85;
  groups->AddPeer("plain Python server", PythonPeer::Start());
  groups->AddPeer("OpenSSH", SshPeer::Start());
  return groups;
}

void FramedGroups::Add(const std::string& name, std::unique_ptr<CommandServer> server) {
  contestants_.push_back(
      {.name = name,
       .server = std::move(server),
       .latency = {.what = absl::StrCat(name, ": true, p50 ÷ spawn of sh"), .unit = "µs"},
       .rate = {.what = absl::StrFormat("%s: true, %d clients ÷ spawn of sh, %d threads", name,
                                        kClients, kFloorThreads),
                .unit = "/s"},
       .reply = {.what = absl::StrFormat("%s: reply of %d MiB ÷ collect, then send", name,
                                         reply_bytes_ >> 20),
                 .unit = "GB/s",
                 .decimals = 2}});
}

template <typename Peer>
void FramedGroups::AddPeer(const std::string& name, absl::StatusOr<std::unique_ptr<Peer>> peer) {
  if (peer.ok()) {
    Add(name, *std::move(peer));
  } else {
    left_out_.push_back(absl::StrCat(name, ": ", std::string(peer.status().message())));
  }
}

absl::Status FramedGroups::MeasureRound(const std::string& group) {
  if (group == "framed") return MeasureLatency();
  if (group == "framed-rate") return MeasureRate();
  if (group == "framed-reply") return MeasureReply();
  return absl::InvalidArgumentError(absl::StrCat("there is no group ", group));
}

// Of clients that have each done it once before.
absl::StatusOr<Load> FramedGroups::RepeatTrue(Contestant& contestant, int clients) const {
  const auto operations = contestant.server->NewClients(clients, kTrueText, 0);
  if (!operations.ok()) return operations.status();
  for (const Operation& operation : *operations) {
    if (absl::Status status = operation(); !status.ok()) return status;
  }
  return RepeatEach(*operations, slice_);
}

absl::Status FramedGroups::MeasureLatency() {
  const auto floor = Repeat(1, slice_, SpawnTrue);
  if (!floor.ok()) return floor.status();
  spawns_.push_back(*floor);
  for (Contestant& contestant : contestants_) {
    const auto load = RepeatTrue(contestant, 1);
    if (!load.ok()) return load.status();
    bench::Add(&contestant.latency, load->p50_us, floor->p50_us);
  }
  return absl::OkStatus();
}

absl::Status FramedGroups::MeasureRate() {
  const auto floor = Repeat(kFloorThreads, slice_, SpawnTrue);
  if (!floor.ok()) return floor.status();
  spawns_8_.push_back(*floor);
  for (Contestant& contestant : contestants_) {
    const auto load = RepeatTrue(contestant, kClients);
    if (!load.ok()) return load.status();
    bench::Add(&contestant.rate, load->per_second, floor->per_second);
  }
  return absl::OkStatus();
}

absl::Status FramedGroups::MeasureReply() {
  const auto floor = CollectAndSend();
  if (!floor.ok()) return floor.status();
  for (Contestant& contestant : contestants_) {
    const auto client = contestant.server->NewClients(1, OutputText(reply_bytes_), reply_bytes_);
    if (!client.ok()) return client.status();
    const auto speed = GigabytesPerSecond(reply_bytes_, client->front());
    if (!speed.ok()) return speed.status();
    bench::Add(&contestant.reply, *speed, *floor);
  }
  return absl::OkStatus();
}

absl::StatusOr<double> FramedGroups::CollectAndSend() const {
  auto floor = CollectFloor::Create(scratch_.path());
  if (!floor.ok()) return floor.status();
  return GigabytesPerSecond(reply_bytes_,
                            [&] { return floor->Run(OutputText(reply_bytes_), reply_bytes_); });
}

std::vector<Row> FramedGroups::rows() const {
  std::vector<Row> rows;
  for (const auto row : {&Contestant::latency, &Contestant::rate, &Contestant::reply}) {
    for (const Contestant& contestant : contestants_) rows.push_back(contestant.*row);
  }
  return rows;
}

void FramedGroups::PrintNotes(std::ostream& out) const {
  if (!spawns_.empty()) out << "- spawn of sh -c true, 1 thread: " << LoadText(spawns_) << "\n";
  if (!spawns_8_.empty()) {
    out << "- spawn of sh -c true, " << kFloorThreads << " threads: " << LoadText(spawns_8_)
        << "\n";
  }
  for (const std::string& peer : left_out_) out << "- " << peer << "\n";
}

}  // namespace nacre::bench
