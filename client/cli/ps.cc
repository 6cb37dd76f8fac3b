// nacre ps
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/cli/age.h"
#include "client/cli/exit_status.h"
#include "client/cli/json.h"
#include "client/cli/options.h"
#include "client/cli/report.h"
#include "client/cli/table.h"
#include "client/cli/verbs.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Lists the sessions that run, or those asked for, oldest first.

Examples:
  nacre ps
  nacre ps -a --tag job=42
  nacre ps --state ended -o json | jq -r '.[].id')";

constexpr size_t kCommandWidth = 50;

using Sessions = std::vector<client::SessionInfo>;

std::string Tags(const std::map<std::string, std::string>& tags) {
  std::string text;
  for (const auto& [name, value] : tags) {
    absl::StrAppend(&text, text.empty() ? "" : ",", name, "=", value);
  }
  return Printable(text);
}

std::string ToTable(const Sessions& sessions) {
  std::vector<std::vector<std::string>> rows = {
      {"ID", "STATE", "AGE", "OWNER", "STATUS", "COMMAND", "TAGS"}};
  const absl::Time now = absl::Now();
  for (const client::SessionInfo& one : sessions) {
    rows.push_back({Printable(one.id), std::string(client::SessionStateName(one.state)),
                    Age(now - one.start_time), Printable(one.owner),
                    one.termination.has_value() ? Printable(Ending(*one.termination)) : "-",
                    Shortened(Printable(one.command_line), kCommandWidth), Tags(one.tags)});
  }
  return Table(rows);
}

// All pages.
absl::Status List(client::Client& client, const client::SessionFilter& filter, Sessions* sessions) {
  std::string token;
  do {
    auto page = client.ListSessions(filter, token);
    if (!page.ok()) return page.status();
    std::move(page->sessions.begin(), page->sessions.end(), std::back_inserter(*sessions));
    token = page->next_page_token;
  } while (!token.empty());
  return absl::OkStatus();
}

class Ps : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* ps = app.add_subcommand("ps", "List sessions");
    ps->footer(kExamples);
    AddHost(ps, common);
    CLI::Option* all = ps->add_flag("-a,--all", all_, "Those that have ended, too");
    ps->add_option("--state", state_, "Only those in this state")
        ->type_name("running|ended")
        ->check(CLI::IsMember({"running", "ended"}).description(""))
        ->excludes(all);
    AddPairs(ps, "--tag", &tags_, "NAME=VALUE", "Only those with this tag; repeatable");
    ps->add_option("-o,--output", format_, "json: an array; default: a table")
        ->type_name("json|table")
        ->check(CLI::IsMember({"json", "table"}).description(""));
    return ps;
  }

  int Run(const CommonArguments& common, const std::vector<std::string>& /*words*/) override {
    const auto client = client::Client::Connect({.target = common.host});
    Sessions sessions;
    absl::Status status = client.status();
    for (const auto& state : States()) {
      if (status.ok()) status = List(**client, {.state = state, .tags = tags_}, &sessions);
    }
    if (!status.ok()) {
      Report(status);
      return kExitFailure;
    }
    if (format_ == "json") {
      std::cout << ToJson(sessions) << std::endl;
    } else {
      std::cout << ToTable(sessions) << std::flush;
    }
    return std::cout.good() ? 0 : kExitFailure;
  }

 private:
  // What to ask the node for, one after the other.
  std::vector<std::optional<client::SessionState>> States() const {
    if (all_) return {std::nullopt};
    if (state_ == "running") return {client::SessionState::kRunning};
    if (state_ == "ended") return {client::SessionState::kEnded};
    return {client::SessionState::kRunning, client::SessionState::kStarting};
  }

  bool all_ = false;
  std::string state_;
  std::string format_;
  std::map<std::string, std::string> tags_;
};

}  // namespace

std::unique_ptr<Verb> MakePs() { return std::make_unique<Ps>(); }

}  // namespace nacre::cli
