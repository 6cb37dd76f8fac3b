#include "bench/scale/checks.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <csignal>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/interruption.h"
#include "bench/measure.h"
#include "bench/scale/usage.h"

namespace nacre::bench {
namespace {

constexpr int kSessionsPerClient = 500;
constexpr size_t kStreamBytes = 1 << 20;
constexpr size_t kPiece = 64 << 10;
constexpr int kCallers = 16;
constexpr size_t kFloodBytes = 4 << 20;
// The front gives memory back every 5 s.
constexpr absl::Duration kSettlingTime = absl::Seconds(12);

// The first failure of many threads.
class FirstFailure {
 public:
  void Note(const absl::Status& status) {
    const std::lock_guard lock(mutex_);
    status_.Update(status);
    if (!status.ok()) failed_ = true;
  }
  bool failed() const { return failed_; }
  absl::Status status() const {
    const std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  mutable std::mutex mutex_;
  absl::Status status_;
  std::atomic<bool> failed_ = false;
};

// Has kCallers threads do `operation` for 0 to `count` - 1.
template <typename Operation>
absl::Status ForEach(int count, Operation operation) {
  FirstFailure failure;
  std::atomic<int> next = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kCallers; ++i) {
    threads.emplace_back([&] {
      for (int at; (at = next++) < count && !failure.failed() && Interrupted() == 0;) {
        failure.Note(operation(at));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return Interrupted() == 0 ? failure.status() : absl::CancelledError("interrupted");
}

absl::StatusOr<client::Started> AwaitStarted(client::Process& process) {
  auto event = process.Next();
  if (!event.ok()) return event.status();
  const auto* started = std::get_if<client::Started>(&*event);
  if (started == nullptr) return absl::InternalError("the first event is not that it started");
  return *started;
}

// Takes all to the end; the termination, which has to be what comes last.
template <typename OnOutput>
absl::StatusOr<client::Termination> Follow(client::Process& process, OnOutput on_output) {
  for (;;) {
    auto event = process.Next();
    if (!event.ok()) return event.status();
    if (const auto* output = std::get_if<client::Output>(&*event)) on_output(output->data);
    if (auto* end = std::get_if<client::Terminated>(&*event)) return std::move(end->termination);
  }
}

absl::Status CheckExit(const client::Termination& termination) {
  const auto* exited = std::get_if<client::Exited>(&termination.result);
  if (exited != nullptr && exited->code == 0 && termination.output_complete)
    return absl::OkStatus();
  return absl::InternalError("a command failed, or its output is not complete");
}

// What session `number` is given, and has to give back.
std::string Text(int number) {
  std::string text;
  text.reserve(kStreamBytes);
  for (uint32_t state = static_cast<uint32_t>(number) * 2654435761U + 1;
       text.size() < kStreamBytes;) {
    state = state * 1664525U + 1013904223U;
    text.push_back(static_cast<char>(state >> 24));
  }
  return text;
}

// One session of the crowd: cat, fed by a thread of its own once all of them run.
absl::Status StreamOne(client::Client& client, int number, std::barrier<>& all_run) {
  client::Command command;
  command.argv = {"cat"};
  command.input = true;
  command.retention = absl::ZeroDuration();
  auto process = client.Exec(command);
  absl::Status status = process.status();
  if (status.ok()) status = AwaitStarted(**process).status();
  all_run.arrive_and_wait();
  if (!status.ok()) return status;
  const std::string text = Text(number);
  absl::Status fed;
  std::thread feeder([&] {
    for (size_t at = 0; at < text.size() && fed.ok(); at += kPiece) {
      fed = (*process)->WriteInput(std::string_view(text).substr(at, kPiece));
    }
    if (fed.ok()) fed = (*process)->CloseInput();
  });
  size_t taken = 0;
  bool same = true;
  const auto end = Follow(**process, [&](std::string_view data) {
    same = same && text.compare(taken, data.size(), data) == 0;
    taken += data.size();
  });
  feeder.join();
  if (!end.ok()) return end.status();
  if (!fed.ok()) return fed;
  if (!same || taken != text.size()) return absl::DataLossError("other bytes came back");
  return CheckExit(*end);
}

std::string Kibibytes(double bytes) { return absl::StrFormat("%.1f KiB", bytes / 1024); }

// Once the node has given back what it does not need any more.
absl::StatusOr<Usage> SettledUsage(client::Client& node) {
  absl::SleepFor(kSettlingTime);
  return UsageOf(node);
}

double Growth(uint64_t before, uint64_t after) {
  return static_cast<double>(after) - static_cast<double>(before);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ScaleChecks>> ScaleChecks::Connect(const ScaleSizes& sizes) {
  std::unique_ptr<ScaleChecks> checks(new ScaleChecks);
  checks->sizes_ = sizes;
  const int most = std::max(sizes.streaming, sizes.idle);
  for (int i = 0; i * kSessionsPerClient < most; ++i) {
    auto client = client::Client::Connect({});
    if (!client.ok()) return client.status();
    checks->clients_.push_back(*std::move(client));
  }
  if (auto ping = checks->clients_[0]->Ping(); !ping.ok()) return ping.status();
  return checks;
}

const std::vector<std::string>& ScaleChecks::Names() {
  static const auto& names =
      *new std::vector<std::string>{"streaming", "idle", "ended", "ends", "interrupt"};
  return names;
}

absl::Status ScaleChecks::Run(const std::string& name) {
  if (name == "streaming") return Stream();
  if (name == "idle") return Idle();
  if (name == "ended") return Ended();
  if (name == "ends") return Ends();
  if (name == "interrupt") return Interrupt();
  return absl::InvalidArgumentError(absl::StrCat("there is no check ", name));
}

client::Client& ScaleChecks::ClientFor(int session) const {
  return *clients_[static_cast<size_t>(session / kSessionsPerClient)];
}

absl::Status ScaleChecks::StreamAllAtOnce() {
  FirstFailure failure;
  std::barrier all_run(sizes_.streaming);
  std::vector<std::thread> threads;
  for (int i = 0; i < sizes_.streaming; ++i) {
    threads.emplace_back([&, i] { failure.Note(StreamOne(ClientFor(i), i, all_run)); });
  }
  for (std::thread& thread : threads) thread.join();
  return failure.status();
}

// The first crowd fills caches and heaps; what the second one leaves on top would grow for ever.
absl::Status ScaleChecks::Stream() {
  if (absl::Status status = StreamAllAtOnce(); !status.ok()) return status;
  const auto before = SettledUsage(*clients_[0]);
  if (!before.ok()) return before.status();
  if (absl::Status status = StreamAllAtOnce(); !status.ok()) return status;
  const auto after = SettledUsage(*clients_[0]);
  if (!after.ok()) return after.status();
  const std::string crowd =
      absl::StrFormat("%d sessions at once, 1 MiB each way", sizes_.streaming);
  findings_.push_back({crowd + ": bytes lost or wrong, stuck", "0", "0"});
  const double growth = Growth(before->rss_bytes, after->rss_bytes);
  findings_.push_back({crowd + ": memory of the node after the second time ÷ after the first",
                       absl::StrFormat("%.2f", static_cast<double>(after->rss_bytes) /
                                                   static_cast<double>(before->rss_bytes)),
                       "≤ 1.20", growth <= 0.2 * static_cast<double>(before->rss_bytes)});
  const double descriptors = Growth(before->descriptors, after->descriptors);
  const double threads_left = Growth(before->threads, after->threads);
  findings_.push_back({crowd + ": descriptors and threads left",
                       absl::StrFormat("%.0f, %.0f", descriptors, threads_left), "0, 0",
                       descriptors <= 0 && threads_left <= 0});
  return absl::OkStatus();
}

absl::Status ScaleChecks::Idle() {
  const auto before = UsageOf(*clients_[0]);
  if (!before.ok()) return before.status();
  std::vector<std::unique_ptr<client::Process>> processes(static_cast<size_t>(sizes_.idle));
  client::Command command;
  command.argv = {"sleep", "1000000"};
  command.on_disconnect = client::OnDisconnect::kKill;
  command.retention = absl::ZeroDuration();
  absl::Status status = ForEach(sizes_.idle, [&](int i) {
    auto process = ClientFor(i).Exec(command);
    if (!process.ok()) return process.status();
    if (auto started = AwaitStarted(**process); !started.ok()) return started.status();
    processes[static_cast<size_t>(i)] = *std::move(process);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  const auto during = UsageOf(*clients_[0]);
  if (!during.ok()) return during.status();
  // They are all there: each answers a signal with its end.
  status = ForEach(sizes_.idle, [&](int i) {
    client::Process& process = *processes[static_cast<size_t>(i)];
    if (absl::Status sent = process.Signal(SIGKILL, client::KillScope::kLeader); !sent.ok()) {
      return sent;
    }
    return Follow(process, [](std::string_view) {}).status();
  });
  if (!status.ok()) return status;
  const double each = Growth(before->rss_bytes, during->rss_bytes) / sizes_.idle;
  findings_.push_back({absl::StrFormat("%d idle attached sessions: memory each", sizes_.idle),
                       Kibibytes(each), "≤ 64 KiB", each <= 64 * 1024});
  findings_.push_back(
      {absl::StrFormat("%d idle attached sessions: descriptors each", sizes_.idle),
       absl::StrFormat("%.2f", Growth(before->descriptors, during->descriptors) / sizes_.idle),
       ""});
  return absl::OkStatus();
}

absl::Status ScaleChecks::Ended() {
  const auto before = UsageOf(*clients_[0]);
  if (!before.ok()) return before.status();
  client::Command command;
  command.argv = {"true"};
  absl::Status status =
      ForEach(sizes_.ended, [&](int) { return clients_[0]->Run(command).status(); });
  if (!status.ok()) return status;
  const auto after = UsageOf(*clients_[0]);
  if (!after.ok()) return after.status();
  const double each = Growth(before->rss_bytes, after->rss_bytes) / sizes_.ended;
  findings_.push_back(
      {absl::StrFormat("%d ended sessions that are kept: memory each", sizes_.ended),
       Kibibytes(each), "≤ 8 KiB", each <= 8 * 1024});
  return absl::OkStatus();
}

absl::Status ScaleChecks::Ends() {
  absl::Status status = ForEach(sizes_.ends, [&](int i) -> absl::Status {
    client::Command command;
    const std::string text = absl::StrCat(i);
    command.argv = {"echo", "-n", text};
    command.retention = absl::ZeroDuration();
    auto process = clients_[0]->Exec(command);
    if (!process.ok()) return process.status();
    std::string output;
    const auto end = Follow(**process, [&](std::string_view data) { output.append(data); });
    if (!end.ok()) return end.status();
    if (output != text) return absl::DataLossError(absl::StrCat("echo of ", text, ": ", output));
    return CheckExit(*end);
  });
  if (!status.ok()) return status;
  findings_.push_back({absl::StrFormat("%d commands that write and exit, %d callers: output lost, "
                                       "or after the end",
                                       sizes_.ends, kCallers),
                       "0", "0"});
  return absl::OkStatus();
}

// From the key's way into the library to the end of the command at the caller: all of the flood
// that is still on its way comes first.
absl::Status ScaleChecks::Interrupt() {
  std::vector<double> milliseconds;
  for (int i = 0; i < sizes_.interrupts && Interrupted() == 0; ++i) {
    client::Command command;
    command.argv = {"yes"};
    command.terminal = client::Terminal{.term = "dumb", .rows = 24, .columns = 80};
    command.input = true;
    command.retention = absl::ZeroDuration();
    auto process = clients_[0]->Exec(command);
    if (!process.ok()) return process.status();
    size_t taken = 0;
    absl::Time typed = absl::InfiniteFuture();
    absl::Status written;
    const auto end = Follow(**process, [&](std::string_view data) {
      taken += data.size();
      if (taken < kFloodBytes || typed != absl::InfiniteFuture()) return;
      typed = absl::Now();
      written = (*process)->WriteInput("\x03");
    });
    if (!end.ok()) return end.status();
    if (!written.ok()) return written;
    milliseconds.push_back(absl::ToDoubleMilliseconds(absl::Now() - typed));
    const auto* signaled = std::get_if<client::Signaled>(&end->result);
    if (signaled == nullptr || signaled->number != SIGINT) {
      return absl::InternalError("Ctrl-C did not interrupt the command");
    }
  }
  if (Interrupted() != 0) return absl::CancelledError("interrupted");
  const double slowest = Quantile(milliseconds, 1);
  findings_.push_back(
      {absl::StrFormat("Ctrl-C under a flood of output, %d times: key to end, slowest (median)",
                       sizes_.interrupts),
       absl::StrFormat("%.1f ms (%.1f ms)", slowest, Median(milliseconds)), "≤ 100 ms",
       slowest <= 100});
  return absl::OkStatus();
}

}  // namespace nacre::bench
