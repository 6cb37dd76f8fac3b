#include "client/cli/options.h"

#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace nacre::cli {
namespace {

CLI::Validator IsPair(const std::string& type_name) {
  return {[type_name](const std::string& text) {
            const size_t equals = text.find('=');
            const bool valid = equals != std::string::npos && equals != 0;
            return valid ? "" : "\"" + text + "\" is not " + type_name;
          },
          ""};
}

// CLI11 takes "-1" for a very large number.
std::string CheckCount(const std::string& text) {
  uint64_t value = 0;
  return absl::SimpleAtoi(text, &value) ? "" : "\"" + text + "\" is not a whole number";
}

std::optional<uint64_t> ParseSize(absl::string_view text) {
  int shift = 0;
  if (absl::ConsumeSuffix(&text, "K")) {
    shift = 10;
  } else if (absl::ConsumeSuffix(&text, "M")) {
    shift = 20;
  }
  uint32_t number = 0;
  if (!absl::SimpleAtoi(text, &number)) return std::nullopt;
  return uint64_t{number} << shift;
}

std::string CheckSize(const std::string& text) {
  return ParseSize(text).has_value() ? "" : "\"" + text + "\" is not a size such as 300000 or 512K";
}

std::optional<uint32_t> ParseMode(const std::string& text) {
  const bool octal =
      !text.empty() && text.size() <= 5 && text.find_first_not_of("01234567") == std::string::npos;
  if (!octal) return std::nullopt;
  const auto mode = static_cast<uint32_t>(std::stoul(text, nullptr, 8));
  return mode <= 07777 ? std::optional(mode) : std::nullopt;
}

class PathsFormatter : public CLI::Formatter {
 public:
  explicit PathsFormatter(std::string paths) : paths_(std::move(paths)) {}

  std::string make_usage(const CLI::App* app, std::string /*name*/) const override {
    return "Usage: nacre " + app->get_name() + " [OPTIONS] " + paths_ + "\n";
  }

 private:
  std::string paths_;
};

CLI::Validator IsDuration(absl::Duration least) {
  return {[least](const std::string& text) {
            absl::Duration duration;
            const bool valid = absl::ParseDuration(text, &duration) && duration >= least &&
                               duration < absl::InfiniteDuration();
            return valid ? "" : "\"" + text + "\" is not a duration such as 500ms, 1s, 1.5m or 2h";
          },
          ""};
}

}  // namespace

void AddHost(CLI::App* app, CommonArguments* common) {
  app->add_option("-H,--host", common->host, "Node to talk to: unix:PATH or HOST:PORT")
      ->type_name("NODE");
}

void AddVerbosity(CLI::App* app, CommonArguments* common, const std::string& help) {
  app->add_flag("-v,--verbose", common->verbosity, help + "; twice: gRPC's own log as well");
}

void AddSession(CLI::App* app, std::string* id) {
  app->add_option("ID", *id, "The session, as start and ps print it")->required()->type_name("");
}

void AddSessions(CLI::App* app, std::vector<std::string>* ids) {
  app->add_option("ID", *ids, "The sessions, as start and ps print them")
      ->required()
      ->type_name("");
}

void AddJson(CLI::App* app, bool* json, const std::string& what) {
  app->add_option_function<std::string>(
         "-o,--output", [json](const std::string& format) { *json = format == "json"; },
         "json: print " + what + " as JSON")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"json", "text"}).description(""));
}

void AddDuration(CLI::App* app, const std::string& names, std::optional<absl::Duration>* value,
                 absl::Duration least, const std::string& help) {
  app->add_option_function<std::string>(
         names, [value](const std::string& text) { absl::ParseDuration(text, &value->emplace()); },
         help)
      ->type_name("DURATION")
      ->check(IsDuration(least));
}

void AddCount(CLI::App* app, const std::string& names, std::optional<uint64_t>* value,
              const std::string& type_name, const std::string& help) {
  app->add_option(names, *value, help)->type_name(type_name)->check(CheckCount);
}

void AddSize(CLI::App* app, const std::string& names, uint64_t* value, const std::string& help) {
  app->add_option_function<std::string>(
         names, [value](const std::string& text) { *value = *ParseSize(text); }, help)
      ->type_name("BYTES")
      ->check(CheckSize);
}

void AddScope(CLI::App* app, const std::string& names, client::KillScope* scope,
              const std::string& help) {
  const std::map<std::string, client::KillScope> scopes = {
      {"session", client::KillScope::kSession},
      {"group", client::KillScope::kProcessGroup},
      {"leader", client::KillScope::kLeader}};
  app->add_option_function<std::string>(
         names, [scope, scopes](const std::string& name) { *scope = scopes.at(name); }, help)
      ->type_name("session|group|leader")
      ->check(CLI::IsMember({"session", "group", "leader"}).description(""));
}

void AddResume(CLI::App* app, absl::Duration* resume_for) {
  app->add_flag_callback(
      "--no-resume", [resume_for] { *resume_for = absl::ZeroDuration(); },
      "Fail when the connection is lost instead of going on by the next");
}

void AddRunAs(CLI::App* app, std::string* run_as) {
  app->add_option("-u,--user,--run-as", *run_as,
                  "User with whose rights; default: ourselves, or for root the daemon's user")
      ->type_name("USER");
}

void ShowPathsInUsage(CLI::App* app, const std::string& paths) {
  app->formatter(std::make_shared<PathsFormatter>(paths));
}

void AddMode(CLI::App* app, const std::string& names, std::optional<uint32_t>* mode,
             const std::string& help) {
  app->add_option_function<std::string>(
         names, [mode](const std::string& text) { *mode = ParseMode(text); }, help)
      ->type_name("MODE")
      ->check(CLI::Validator(
          [](const std::string& text) {
            return ParseMode(text).has_value() ? ""
                                               : "\"" + text + "\" is no octal number up to 7777";
          },
          ""));
}

void AddRaw(CLI::App* app, bool* raw) {
  app->add_flag("--raw", *raw,
                "Let output control our terminal; default: it is shown what could do more than "
                "colour text and move the cursor");
}

void AddPairs(CLI::App* app, const std::string& names, std::map<std::string, std::string>* pairs,
              const std::string& type_name, const std::string& help) {
  const auto add = [pairs](const std::vector<std::string>& given) {
    for (const std::string& pair : given) {
      const size_t equals = pair.find('=');
      (*pairs)[pair.substr(0, equals)] = pair.substr(equals + 1);
    }
  };
  app->add_option_function<std::vector<std::string>>(names, add, help)
      ->type_name(type_name)
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->check(IsPair(type_name));
}

}  // namespace nacre::cli
