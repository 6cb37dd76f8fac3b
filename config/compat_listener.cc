#include "config/compat_listener.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "config/nearest.h"
#include "config/units.h"

namespace nacre {
namespace {

using Order = CompatListener::Order;
using RequestStyle = CompatListener::RequestStyle;
using Encoding = CompatListener::Encoding;

// The longest string that a command line takes (Linux's MAX_ARG_STRLEN), without its NUL.
constexpr uint64_t kMaxCommand = 128 * 1024 - 1;

constexpr int64_t kLeastDurationNs = 1'000'000;

const std::vector<std::string> kDialects = {"framed"};
const std::vector<std::string> kLaterDialects = {"raw",      "header",   "ascii-length",
                                                 "udp-exec", "udp-chat", "udp-upper",
                                                 "udp-time", "echo",     "upper"};
const std::vector<std::string> kLaterKeys = {"run_as", "allow", "empty", "ack",
                                             "delay",  "root",  "suffix"};

bool Has(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// A setter of one key. Returns what is wrong with the value.
struct Key {
  std::string_view name;
  absl::Status (*set)(CompatListener*, std::string_view value);
};

absl::Status SetDuration(int64_t* field, std::string_view value) {
  auto parsed = ParseDurationNs(value);
  if (!parsed.ok()) return parsed.status();
  if (*parsed > 0 && *parsed < kLeastDurationNs) {
    return absl::InvalidArgumentError(absl::StrFormat("%s is less than 1ms", value));
  }
  *field = *parsed;
  return absl::OkStatus();
}

absl::Status SetNumber(uint64_t* field, std::string_view value, uint64_t least, uint64_t most) {
  auto parsed = ParseSize(value);
  if (!parsed.ok()) return parsed.status();
  if (*parsed < least || *parsed > most) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s is not from %d to %d", value, least, most));
  }
  *field = *parsed;
  return absl::OkStatus();
}

template <typename Enum>
absl::Status SetWord(Enum* field, std::string_view value,
                     const std::vector<std::pair<std::string, Enum>>& words) {
  std::vector<std::string> names;
  for (const auto& [name, meaning] : words) {
    if (name == value) {
      *field = meaning;
      return absl::OkStatus();
    }
    names.push_back(name);
  }
  return absl::InvalidArgumentError(absl::StrFormat(
      "\"%s\" is none of %s%s", value, absl::StrJoin(names, ", "), DidYouMean(value, names)));
}

const Key kKeys[] = {
    {"order",
     [](CompatListener* listener, std::string_view value) {
       return SetWord<Order>(&listener->order, value,
                             {{"out-err", Order::kOutErr},
                              {"err-out", Order::kErrOut},
                              {"err-or-out", Order::kErrOrOut}});
     }},
    {"request",
     [](CompatListener* listener, std::string_view value) {
       return SetWord<RequestStyle>(&listener->request, value,
                                    {{"auto", RequestStyle::kAuto},
                                     {"raw", RequestStyle::kRaw},
                                     {"framed", RequestStyle::kFramed}});
     }},
    {"encoding",
     [](CompatListener* listener, std::string_view value) {
       return SetWord<Encoding>(&listener->encoding, value,
                                {{"utf-8", Encoding::kUtf8}, {"gbk", Encoding::kGbk}});
     }},
    {"secret_file",
     [](CompatListener* listener, std::string_view value) {
       listener->secret_file = value;
       return value.starts_with('/') ? absl::OkStatus()
                                     : absl::InvalidArgumentError("an absolute path is expected");
     }},
    {"timeout", [](CompatListener* listener,
                   std::string_view value) { return SetDuration(&listener->timeout_ns, value); }},
    {"idle_timeout",
     [](CompatListener* listener, std::string_view value) {
       return SetDuration(&listener->idle_timeout_ns, value);
     }},
    {"write_timeout",
     [](CompatListener* listener, std::string_view value) {
       return SetDuration(&listener->write_timeout_ns, value);
     }},
    {"max_request",
     [](CompatListener* listener, std::string_view value) {
       return SetNumber(&listener->max_request, value, 1, kMaxCommand);
     }},
    {"max_output",
     [](CompatListener* listener, std::string_view value) {
       return SetNumber(&listener->max_output, value, 1, CompatListener::kMaxFramedReply);
     }},
    {"max_connections",
     [](CompatListener* listener, std::string_view value) {
       return SetNumber(&listener->max_connections, value, 1, 10'000);
     }},
    {"quit",
     [](CompatListener* listener, std::string_view value) {
       listener->quit = value;
       return value.empty() ? absl::InvalidArgumentError("a word is missing") : absl::OkStatus();
     }},
};

absl::Status SetDialect(CompatListener* listener, std::string_view word) {
  if (word == "framed") {
    listener->dialect = CompatListener::Dialect::kFramed;
    return absl::OkStatus();
  }
  if (Has(kLaterDialects, word)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("dialect \"%s\" is not served yet (served: framed)", word));
  }
  return absl::InvalidArgumentError(absl::StrFormat("there is no dialect \"%s\"%s (served: framed)",
                                                    word, DidYouMean(word, kDialects)));
}

absl::Status SetKey(CompatListener* listener, std::string_view name, std::string_view value) {
  std::vector<std::string> names;
  for (const Key& key : kKeys) {
    if (key.name == name) {
      absl::Status status = key.set(listener, value);
      if (status.ok()) return status;
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: %s", name, std::string(status.message())));
    }
    names.emplace_back(key.name);
  }
  if (Has(kLaterKeys, name)) {
    return absl::InvalidArgumentError(absl::StrFormat("option \"%s\" is not served yet", name));
  }
  return absl::InvalidArgumentError(absl::StrFormat("there is no option \"%s\"%s (known: %s)", name,
                                                    DidYouMean(name, names),
                                                    absl::StrJoin(names, ", ")));
}

absl::StatusOr<CompatListener> ParseParts(std::string_view text) {
  CompatListener listener;
  std::vector<std::string> parts = absl::StrSplit(std::string(text), ',');
  const size_t equals = parts[0].find('=');
  if (equals == std::string::npos) {
    return absl::InvalidArgumentError("expected DIALECT=HOST:PORT[,KEY=VALUE…]");
  }
  if (absl::Status status = SetDialect(&listener, parts[0].substr(0, equals)); !status.ok()) {
    return status;
  }
  auto address = Address::Parse(parts[0].substr(equals + 1));
  if (!address.ok()) return address.status();
  if (address->kind != Address::Kind::kTcp) {
    return absl::InvalidArgumentError("old clients speak TCP: expected HOST:PORT");
  }
  if (!address->IsLoopback()) {
    return absl::InvalidArgumentError(
        "its callers don't prove who they are, so it listens on loopback only (127.0.0.1, [::1])");
  }
  listener.address = *std::move(address);
  std::vector<std::string> seen;
  for (size_t i = 1; i < parts.size(); ++i) {
    const size_t at = parts[i].find('=');
    const std::string name = parts[i].substr(0, at);
    if (at == std::string::npos) {
      return absl::InvalidArgumentError(absl::StrFormat("\"%s\": expected KEY=VALUE", parts[i]));
    }
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      return absl::InvalidArgumentError(absl::StrFormat("option \"%s\" is given twice", name));
    }
    if (absl::Status status = SetKey(&listener, name, parts[i].substr(at + 1)); !status.ok()) {
      return status;
    }
    seen.push_back(name);
  }
  return listener;
}

}  // namespace

absl::StatusOr<CompatListener> CompatListener::Parse(std::string_view text) {
  auto listener = ParseParts(text);
  if (listener.ok()) return listener;
  return absl::InvalidArgumentError(
      absl::StrFormat("--compat %s: %s", text, std::string(listener.status().message())));
}

std::string CompatListener::ToString() const {
  return absl::StrFormat("%s=%s", nacre::ToString(dialect), address.ToString());
}

std::string_view ToString(CompatListener::Dialect dialect) {
  switch (dialect) {
    case CompatListener::Dialect::kFramed:
      break;
  }
  return "framed";
}

}  // namespace nacre
