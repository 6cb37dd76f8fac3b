#include "bench/suite.h"

#include "absl/algorithm/container.h"
#include "absl/strings/str_format.h"
#include "bench/child.h"
#include "bench/commands.h"
#include "bench/nacre_calls.h"

namespace nacre::bench {
namespace {

constexpr int kFloorThreads = 8;
constexpr int kCallers[] = {1, 4, 16};

// The spawn floor: what it costs to run a command and learn its output and status.
absl::Status SpawnTrue() {
  auto child = Child::Spawn(TrueCommand());
  return child.ok() ? child->Finish().status() : child.status();
}

std::vector<Row> ExecRows() {
  return {{.what = "exec of true, p50 ÷ (spawn + empty call)",
           .unit = "µs",
           .goal = Row::Goal::kAtMost,
           .bound = 1.20},
          {.what = "exec of true, p99 ÷ (spawn + empty call)", .unit = "µs"},
          {.what = "run of true, p50 ÷ (spawn + empty call)", .unit = "µs"}};
}

std::vector<Row> RateRows() {
  std::vector<Row> rows;
  for (const int callers : kCallers) {
    rows.push_back({.what = absl::StrFormat("exec of true, %d caller%s ÷ spawn, %d threads",
                                            callers, callers == 1 ? "" : "s", kFloorThreads),
                    .unit = "/s"});
  }
  rows.back().goal = Row::Goal::kAtLeast;
  rows.back().bound = 0.80;
  return rows;
}

std::vector<Row> StreamRows(const std::string& what) {
  Row row{.what = what, .unit = "GB/s", .decimals = 2, .goal = Row::Goal::kAtLeast, .bound = 0.90};
  return {row};
}

}  // namespace

Suite::Suite(client::Client& nacre, FloorClient& floors, CliGroup* cli, CopyGroup* copy,
             PrivilegeGroups* privileges, FramedGroups* framed, SuiteOptions options)
    : nacre_(nacre),
      floors_(floors),
      cli_(cli),
      copy_(copy),
      privileges_(privileges),
      framed_(framed),
      options_(options),
      exec_(ExecRows()),
      rates_(RateRows()),
      streams_out_(StreamRows("output of one command ÷ bare stream from its pipe")),
      streams_in_(StreamRows("input of one command ÷ bare stream into its pipe")) {}

const std::vector<std::string>& Suite::Groups() {
  static const auto& groups = *new std::vector<std::string>([] {
    std::vector<std::string> names = DefaultGroups();
    names.insert(names.end(), CopyGroup::Names().begin(), CopyGroup::Names().end());
    return names;
  }());
  return groups;
}

const std::vector<std::string>& Suite::DefaultGroups() {
  static const auto& groups = *new std::vector<std::string>([] {
    std::vector<std::string> names = {"exec", "rate", "out", "in"};
    for (const auto& more : {CliGroup::Names(), PrivilegeGroups::Names(), FramedGroups::Names()}) {
      names.insert(names.end(), more.begin(), more.end());
    }
    return names;
  }());
  return groups;
}

absl::Status Suite::MeasureRound(const std::string& group) {
  if (group == "exec") return MeasureExec();
  if (group == "rate") return MeasureRates();
  if (group == "out") return MeasureStreamOut();
  if (group == "in") return MeasureStreamIn();
  if (absl::c_linear_search(CliGroup::Names(), group)) {
    return cli_ == nullptr ? absl::OkStatus() : cli_->MeasureRound();
  }
  if (absl::c_linear_search(CopyGroup::Names(), group)) {
    return copy_ == nullptr ? absl::OkStatus() : copy_->MeasureRound();
  }
  if (absl::c_linear_search(PrivilegeGroups::Names(), group)) {
    return privileges_ == nullptr ? absl::OkStatus() : privileges_->MeasureRound(group);
  }
  return framed_ == nullptr ? absl::OkStatus() : framed_->MeasureRound(group);
}

absl::Status Suite::MeasureExec() {
  const auto spawn = Repeat(1, options_.slice, SpawnTrue);
  if (!spawn.ok()) return spawn.status();
  const auto exec = Repeat(1, options_.slice, [this] { return ExecTrue(nacre_); });
  if (!exec.ok()) return exec.status();
  const auto call = Repeat(1, options_.slice, [this] { return floors_.Nothing(); });
  if (!call.ok()) return call.status();
  const auto run = Repeat(1, options_.slice, [this] { return RunTrue(nacre_); });
  if (!run.ok()) return run.status();
  Add(&exec_[0], exec->p50_us, spawn->p50_us + call->p50_us);
  Add(&exec_[1], exec->p99_us, spawn->p99_us + call->p99_us);
  Add(&exec_[2], run->p50_us, spawn->p50_us + call->p50_us);
  spawns_.push_back(*spawn);
  calls_.push_back(*call);
  return absl::OkStatus();
}

absl::Status Suite::MeasureRates() {
  const auto floor = Repeat(kFloorThreads, options_.slice, SpawnTrue);
  if (!floor.ok()) return floor.status();
  spawns_8_.push_back(*floor);
  for (size_t i = 0; i < std::size(kCallers); ++i) {
    const auto exec = Repeat(kCallers[i], options_.slice, [this] { return ExecTrue(nacre_); });
    if (!exec.ok()) return exec.status();
    Add(&rates_[i], exec->per_second, floor->per_second);
  }
  return absl::OkStatus();
}

absl::Status Suite::MeasureStreamOut() {
  const uint64_t bytes = options_.stream_bytes;
  const auto floor = GigabytesPerSecond(bytes, [&] { return floors_.StreamOut(bytes); });
  if (!floor.ok()) return floor.status();
  const auto nacre = GigabytesPerSecond(bytes, [&] { return StreamOut(nacre_, bytes); });
  if (!nacre.ok()) return nacre.status();
  Add(&streams_out_[0], *nacre, *floor);
  return absl::OkStatus();
}

absl::Status Suite::MeasureStreamIn() {
  const uint64_t bytes = options_.stream_bytes;
  const auto floor = GigabytesPerSecond(bytes, [&] { return floors_.StreamIn(bytes); });
  if (!floor.ok()) return floor.status();
  const auto nacre = GigabytesPerSecond(bytes, [&] { return StreamIn(nacre_, bytes); });
  if (!nacre.ok()) return nacre.status();
  Add(&streams_in_[0], *nacre, *floor);
  return absl::OkStatus();
}

void Suite::Print(std::ostream& out) const {
  std::vector<Row> all;
  for (const std::vector<Row>* rows : {&exec_, &rates_, &streams_out_, &streams_in_}) {
    all.insert(all.end(), rows->begin(), rows->end());
  }
  if (cli_ != nullptr) all.insert(all.end(), cli_->rows().begin(), cli_->rows().end());
  if (privileges_ != nullptr) {
    all.insert(all.end(), privileges_->rows().begin(), privileges_->rows().end());
  }
  if (framed_ != nullptr) {
    const std::vector<Row> framed = framed_->rows();
    all.insert(all.end(), framed.begin(), framed.end());
  }
  if (copy_ != nullptr) {
    const std::vector<Row> copies = copy_->rows();
    all.insert(all.end(), copies.begin(), copies.end());
  }
  PrintTable(all, out);
  out << "\n";
  PrintFloors(out);
}

void Suite::PrintFloors(std::ostream& out) const {
  if (!spawns_.empty()) out << "- spawn of true, 1 thread: " << LoadText(spawns_) << "\n";
  if (!spawns_8_.empty()) {
    out << "- spawn of true, " << kFloorThreads << " threads: " << LoadText(spawns_8_) << "\n";
  }
  if (!calls_.empty()) out << "- empty call, 1 caller: " << LoadText(calls_) << "\n";
  if (cli_ != nullptr) cli_->PrintNotes(out);
  if (privileges_ != nullptr) privileges_->PrintNotes(out);
  if (framed_ != nullptr) framed_->PrintNotes(out);
  if (copy_ != nullptr) copy_->PrintNotes(out);
}

}  // namespace nacre::bench
