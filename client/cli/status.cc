// nacre status
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/cli/age.h"
#include "client/cli/copy/progress.h"
#include "client/cli/exit_status.h"
#include "client/cli/json.h"
#include "client/cli/options.h"
#include "client/cli/report.h"
#include "client/cli/table.h"
#include "client/cli/verbs.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Tells what the node is, whom it serves where, and how it is used. The front is its network process: it
may be replaced while sessions go on.

Examples:
  nacre status
  nacre -H 127.0.0.1:7070 status
  nacre status -o json | jq -r '.listeners[] | select(.warning != "").address')";

// What is not known is left out.
std::string Process(uint32_t pid, std::optional<absl::Time> start_time, const std::string& user) {
  std::vector<std::string> parts;
  if (pid != 0) parts.push_back(absl::StrCat("pid ", pid));
  if (start_time.has_value()) {
    parts.push_back(absl::StrCat("up for ", Age(absl::Now() - *start_time)));
  }
  if (!user.empty()) parts.push_back("as " + Printable(user));
  return absl::StrJoin(parts, ", ");
}

std::string Describe(const client::NodeListener& listener) {
  std::string text = absl::StrCat(Printable(listener.address), ", ",
                                  listener.dialect.empty() ? "gRPC" : Printable(listener.dialect));
  if (listener.requires_secret) text.append(", with a secret");
  if (!listener.warning.empty()) absl::StrAppend(&text, "; WARNING: ", Printable(listener.warning));
  return text;
}

std::string Sessions(const client::NodeInfo& node) {
  std::string text = absl::StrCat(node.running_sessions, " running");
  if (node.load.has_value()) {
    absl::StrAppend(&text, " (", node.load->own_running_sessions, " of them yours)");
  }
  absl::StrAppend(&text, ", ", node.ended_sessions, " ended, room for ", node.max_sessions);
  return text;
}

std::string Draining(const client::NodeInfo& node) {
  if (node.stopping) return "yes, it shuts down";
  return node.draining ? "yes, it takes no new sessions" : "no";
}

std::string Describe(const client::NodeLimits& limits) {
  std::string text;
  if (limits.max_session_descriptors > 0) {
    text = absl::StrCat(limits.max_session_descriptors, " descriptors of sessions, ");
  }
  absl::StrAppend(&text, limits.max_open_files, " open files, requests of ",
                  FormatBytes(limits.max_request_bytes), ", retention of ",
                  FormatBytes(limits.max_retention_bytes));
  return text;
}

void AddLoad(const client::NodeLoad& load, std::vector<std::vector<std::string>>* rows) {
  std::string average = absl::StrFormat("%.2f %.2f %.2f", load.load_average_1m,
                                        load.load_average_5m, load.load_average_15m);
  if (load.cpus > 0) {
    absl::StrAppend(&average, " on ", load.cpus, load.cpus == 1 ? " processor" : " processors");
  }
  rows->push_back({"load:", average});
  if (load.memory_bytes > 0) {
    rows->push_back({"memory:", absl::StrCat(FormatBytes(load.available_memory_bytes), " of ",
                                             FormatBytes(load.memory_bytes), " available")});
  }
  rows->push_back(
      {"files:", absl::StrCat(load.open_files, " open, ", load.file_calls, " calls under way")});
}

std::string ToText(const client::NodeInfo& node) {
  const std::string users = absl::StrJoin(
      node.run_as_users, ", ",
      [](std::string* out, const std::string& user) { out->append(Printable(user)); });
  std::vector<std::vector<std::string>> rows = {
      {"version:", Printable(node.version)},
      {"host:", Printable(node.host_name)},
      {"epoch:", Printable(node.epoch)},
      {"daemon:", Process(node.daemon_pid, node.start_time, node.user)},
      {"front:", Process(node.front_pid, node.front_start_time, node.front_user)},
      {"commands run as:", users.empty() ? "nobody" : users},
      {"sessions:", Sessions(node)},
      {"kill method:", std::string(client::KillMethodName(node.kill_method))},
      {"draining:", Draining(node)}};
  if (!node.id.empty()) rows.insert(rows.begin(), {"id:", Printable(node.id)});
  if (node.load.has_value()) AddLoad(*node.load, &rows);
  if (node.limits.has_value()) rows.push_back({"limits:", Describe(*node.limits)});
  for (const auto& [name, text] : node.labels) {
    rows.push_back({"label " + Printable(name) + ":", Printable(text)});
  }
  for (const client::NodeListener& listener : node.listeners) {
    rows.push_back({"listener " + Printable(listener.name) + ":", Describe(listener)});
  }
  return Table(rows);
}

class Status : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* status = app.add_subcommand("status", "Tell what the node is and how it is doing");
    status->footer(kExamples);
    AddHost(status, common);
    AddJson(status, &json_, "the node");
    return status;
  }

  int Run(const CommonArguments& common, const std::vector<std::string>& /*words*/) override {
    const auto client = client::Client::Connect({.target = common.host});
    const auto node = client.ok() ? (*client)->GetNode() : client.status();
    if (!node.ok()) {
      Report(node.status());
      return kExitFailure;
    }
    std::cout << (json_ ? ToJson(*node) + "\n" : ToText(*node)) << std::flush;
    return std::cout.good() ? 0 : kExitFailure;
  }

 private:
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Verb> MakeStatus() { return std::make_unique<Status>(); }

}  // namespace nacre::cli
