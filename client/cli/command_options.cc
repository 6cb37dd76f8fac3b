#include "client/cli/command_options.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/cli/options.h"
#include "client/cli/signals.h"

namespace nacre::cli {
namespace {

class CommandFormatter : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* app, std::string /*name*/) const override {
    return "Usage: nacre " + app->get_name() + " [OPTIONS] [--] COMMAND [ARGUMENT...]\n";
  }
};

// A bound that no node can reach is none that it has to know exactly.
uint32_t Narrow(const std::optional<uint64_t>& bound) {
  return static_cast<uint32_t>(std::min<uint64_t>(bound.value_or(0), UINT32_MAX));
}

void AddOnDisconnect(CLI::App* app, client::OnDisconnect* policy) {
  const std::map<std::string, client::OnDisconnect> policies = {
      {"grace", client::OnDisconnect::kKillAfterGrace},
      {"keep", client::OnDisconnect::kKeep},
      {"kill", client::OnDisconnect::kKill}};
  app->add_option_function<std::string>(
         "--on-disconnect",
         [policy, policies](const std::string& name) { *policy = policies.at(name); },
         "If we are lost: kill it at once, kill it after --grace (exec's default), keep it "
         "(start's)")
      ->type_name("kill|grace|keep")
      ->check(CLI::IsMember({"kill", "grace", "keep"}).description(""));
}

void AddOverflow(CLI::App* app, client::Overflow* overflow) {
  app->add_option_function<std::string>(
         "--overflow",
         [overflow](const std::string& name) {
           *overflow = name == "block" ? client::Overflow::kBlock : client::Overflow::kKeepNewest;
         },
         "If nobody takes more output than is kept: drop the oldest (default), block the command")
      ->type_name("newest|block")
      ->check(CLI::IsMember({"newest", "block"}).description(""));
}

// FIRST,GRACE,LAST, of which any may be empty.
bool ParseLadder(const std::string& text, client::KillLadder* ladder) {
  const std::vector<std::string> parts = absl::StrSplit(text, ',');
  if (parts.size() != 3) return false;
  const auto parse_signal = [](const std::string& name, int* number) {
    if (name.empty()) return true;
    const std::optional<int> parsed = ParseSignal(name);
    *number = parsed.value_or(0);
    return parsed.has_value();
  };
  return parse_signal(parts[0], &ladder->first_signal) &&
         (parts[1].empty() || (absl::ParseDuration(parts[1], &ladder->grace) &&
                               ladder->grace >= absl::ZeroDuration())) &&
         parse_signal(parts[2], &ladder->last_signal);
}

void AddLadder(CLI::App* app, client::KillLadder* ladder) {
  app->add_option_function<std::string>(
         "--kill-ladder", [ladder](const std::string& text) { (void)ParseLadder(text, ladder); },
         "How it is ended: a signal, time to obey, another signal; default: TERM,5s,KILL")
      ->type_name("SIGNAL,DURATION,SIGNAL")
      ->check(CLI::Validator(
          [](const std::string& text) {
            client::KillLadder unused;
            return ParseLadder(text, &unused) ? "" : "\"" + text + "\" is not like TERM,5s,KILL";
          },
          ""));
}

}  // namespace

void CommandOptions::AddTo(CLI::App* app) {
  AddPairs(app, "-e,--env", &command_.env, "NAME=VALUE",
           "Add a variable to its environment; repeatable");
  app->add_option("-w,--cwd", command_.cwd, "Its working directory; default: the user's home")
      ->type_name("DIR");
  app->add_option("-u,--user", command_.run_as_user,
                  "User to run it as; default: ourselves, or for root the daemon's user")
      ->type_name("USER");
  app->add_option_function<std::string>(
         "--umask",
         [this](const std::string& text) {
           const bool octal = !text.empty() && text.size() <= 4 &&
                              text.find_first_not_of("01234567") == std::string::npos;
           const uint64_t mask = octal ? std::stoul(text, nullptr, 8) : 01000;
           if (mask > 0777) throw CLI::ValidationError("--umask", "is no octal number up to 777");
           command_.umask = static_cast<uint32_t>(mask);
         },
         "Permissions that its files don't get, octal; default: 022")
      ->type_name("MODE");
  AddDuration(app, "--timeout", &timeout_, absl::Milliseconds(1),
              "End it after this long, e.g. 500ms, 1s, 1.5m, 2h");
  AddPairs(app, "--tag", &command_.tags, "NAME=VALUE", "Label to find the session by; repeatable");
  app->add_option("--request-id", command_.request_id,
                  "Name of this start; another one with it attaches instead")
      ->type_name("NAME");
  AddOnDisconnect(app, &command_.on_disconnect);
  AddDuration(app, "--grace", &command_.disconnect_grace, absl::ZeroDuration(),
              "How long the node waits for us to come back; default: 30s");
  AddDuration(app, "--retention", &command_.retention, absl::ZeroDuration(),
              "How long the session is kept after its end; default: 10m");
  AddScope(app, "--kill-scope", &command_.kill_scope,
           "Whom its end by timeout, cancel or loss reaches; default: session, all it has started");
  AddLadder(app, &command_.ladder);
  AddOverflow(app, &command_.overflow);
  AddSize(app, "--keep", &command_.retention_bytes,
          "Newest output kept of each stream, 512K (default) to 1M");
  app->add_flag("--merge-stderr", command_.merge_stderr,
                "Its standard error goes into its standard output, in order");
  app->add_flag_callback(
      "--wait-for-eof", [this] { command_.on_leader_exit = client::OnLeaderExit::kWaitForEof; },
      "Go on until all background children have closed its output; default: for 1s");
  AddLimits(app);
}

void CommandOptions::AddLimits(CLI::App* app) {
  AddSize(app, "--memory", &command_.limits.memory_bytes,
          "Bound on the memory of all its processes; beyond, they are killed");
  AddDuration(app, "--cpu-time", &cpu_time_, absl::Milliseconds(10),
              "Bound on the CPU time of all its processes; beyond, they are ended");
  AddCount(app, "--processes", &processes_, "N", "Bound on its processes and threads at once");
  AddCount(app, "--open-files", &open_files_, "N", "Bound on the open files of each process");
  AddSize(app, "--output-limit", &command_.limits.output_bytes,
          "Bound on its output; beyond, it is ended");
  AddCount(app, "--nice", &nice_, "N", "Run it with a lower priority: 1 to 19");
}

void CommandOptions::AddShell(CLI::App* app) {
  app->add_flag("-c,--shell", shell_,
                "The command is one line for /bin/sh; several words are joined by spaces");
}

client::Command CommandOptions::ToCommand(const std::vector<std::string>& words) const {
  client::Command command = command_;
  if (shell_) {
    command.shell_line = absl::StrJoin(words, " ");
  } else {
    command.argv = words;
  }
  command.timeout = timeout_.value_or(command.timeout);
  command.limits.cpu_time = cpu_time_.value_or(absl::ZeroDuration());
  command.limits.processes = Narrow(processes_);
  command.limits.open_files = Narrow(open_files_);
  command.limits.nice = static_cast<int>(std::min<uint64_t>(nice_.value_or(0), 1000));
  return command;
}

void ShowCommandInUsage(CLI::App* app) { app->formatter(std::make_shared<CommandFormatter>()); }

}  // namespace nacre::cli
