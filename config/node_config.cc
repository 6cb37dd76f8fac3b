#include "config/node_config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/unique_fd.h"
#include "config/label.h"
#include "config/nearest.h"

namespace nacre {
namespace {

constexpr size_t kMaxFile = 1024 * 1024;
constexpr size_t kMaxLine = 4096;

// The file's text, once it is sure that nobody else wrote it: it says whom commands run as.
absl::StatusOr<std::string> ReadTrusted(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info;
  if (!file.valid() || fstat(file.get(), &info) != 0) return absl::ErrnoToStatus(errno, path);
  if (S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrFormat("%s is a directory", path));
  }
  if (path == "/dev/null") return "";  // nobody's words
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrFormat("%s is no regular file", path));
  }
  if (((info.st_uid != 0 && info.st_uid != geteuid()) ||
       (info.st_mode & (S_IWGRP | S_IWOTH)) != 0)) {
    return absl::PermissionDeniedError(
        absl::StrFormat("%s: others could have written it; chown it to %s and chmod go-w it", path,
                        geteuid() == 0 ? "root" : "yourself"));
  }
  std::string text(kMaxFile + 1, '\0');
  size_t size = 0;
  ssize_t got = 0;
  while (size < text.size() &&
         (got = read(file.get(), text.data() + size, text.size() - size)) > 0) {
    size += static_cast<size_t>(got);
  }
  if (got < 0) return absl::ErrnoToStatus(errno, path);
  if (size > kMaxFile) {
    return absl::InvalidArgumentError(absl::StrFormat("%s is larger than 1 MiB", path));
  }
  text.resize(size);
  return text;
}

// Whether the name of a table may begin so.
bool BeginsName(char c) {
  return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '"' || c == '\'';
}

// What toml++ 3.3 takes for granted instead of refusing it: that what opens a table's header has a
// name behind it, and that a name has no thousands of parts.
absl::Status CheckLines(const std::string& path, absl::string_view text) {
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    const char* wrong = line.size() > kMaxLine ? "a line is longer than 4 KiB" : nullptr;
    line = absl::StripAsciiWhitespace(line);
    if (absl::ConsumePrefix(&line, "[")) {
      absl::ConsumePrefix(&line, "[");
      line = absl::StripLeadingAsciiWhitespace(line);
      if (line.empty() || !BeginsName(line[0])) wrong = "a table has no name";
    }
    if (wrong != nullptr) {
      return absl::InvalidArgumentError(absl::StrFormat("%s:%d: %s", path, number, wrong));
    }
  }
  return absl::OkStatus();
}

// Where a value stands, for messages.
std::string Place(const std::string& path, const toml::node& node) {
  return absl::StrFormat("%s:%d", path, node.source().begin.line);
}

absl::Status Wrong(const std::string& path, const toml::node& node, absl::string_view key,
                   absl::string_view wanted) {
  return absl::InvalidArgumentError(
      absl::StrFormat("%s: %s is not %s", Place(path, node), key, wanted));
}

// One compat table as text: "framed=127.0.0.1:9100,order=err-out".
absl::StatusOr<std::string> CompatText(const std::string& path, const toml::table& table) {
  std::string dialect, address, options;
  for (const auto& [name, node] : table) {
    const std::string key(name.str());
    std::string text;
    if (node.is_string()) {
      text = node.as_string()->get();
    } else if (node.is_integer()) {
      text = absl::StrCat(node.as_integer()->get());
    } else {
      return Wrong(path, node, key, "a string or a whole number");
    }
    if (absl::StrContains(text, ',')) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: %s holds a comma", Place(path, node), key));
    }
    if (key == "dialect") {
      dialect = text;
    } else if (key == "address") {
      address = text;
    } else {
      absl::StrAppend(&options, ",", key, "=", text);
    }
  }
  if (dialect.empty() || address.empty()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: [[compat]] lacks its dialect or address", Place(path, table)));
  }
  return absl::StrCat(dialect, "=", address, options);
}

absl::Status ReadList(const std::string& path, absl::string_view key, const toml::node& node,
                      std::vector<std::string>* list) {
  const toml::array* array = node.as_array();
  if (array == nullptr) return Wrong(path, node, key, "a list of strings");
  list->clear();
  for (const toml::node& one : *array) {
    if (!one.is_string()) return Wrong(path, one, key, "a list of strings");
    list->push_back(one.as_string()->get());
  }
  return absl::OkStatus();
}

absl::Status ReadCompat(const std::string& path, const toml::node& node,
                        std::vector<std::string>* compat) {
  const toml::array* array = node.as_array();
  if (array == nullptr) return Wrong(path, node, "compat", "written as [[compat]] tables");
  compat->clear();
  for (const toml::node& one : *array) {
    if (!one.is_table()) return Wrong(path, one, "compat", "written as [[compat]] tables");
    auto text = CompatText(path, *one.as_table());
    if (!text.ok()) return text.status();
    compat->push_back(*std::move(text));
  }
  return absl::OkStatus();
}

absl::Status ReadLabels(const std::string& path, const toml::node& node,
                        std::vector<std::string>* labels) {
  const toml::table* table = node.as_table();
  if (table == nullptr) return Wrong(path, node, "labels", "written as a [labels] table");
  labels->clear();
  for (const auto& [key, value] : *table) {
    const std::string name(key.str());
    if (value.is_table()) {
      return Wrong(path, value, "labels." + name, "a string; quote a name that holds a dot");
    }
    if (!value.is_string()) return Wrong(path, value, "labels." + name, "a string");
    const std::string text = value.as_string()->get();
    if (absl::Status status = CheckLabel(name, text); !status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(Place(path, value), ": ", std::string(status.message())));
    }
    labels->push_back(absl::StrCat(name, "=", text));
  }
  if (labels->size() > kMaxLabels) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: %d labels: a node has at most %d", Place(path, node), labels->size(), kMaxLabels));
  }
  return absl::OkStatus();
}

std::map<std::string, std::string*> Strings(NodeConfig* config) {
  return {{"state_dir", &config->state_dir},
          {"front", &config->front},
          {"files", &config->files},
          {"front_user", &config->front_user},
          {"socket_group", &config->socket_group},
          {"cgroup", &config->cgroup},
          {"drain_timeout", &config->drain_timeout},
          {"spool_limit", &config->spool_limit},
          {"log_level", &config->log_level},
          {"stream_idle_timeout", &config->stream_idle_timeout}};
}

std::map<std::string, std::vector<std::string>*> Lists(NodeConfig* config) {
  return {{"listen", &config->listen}, {"run_as", &config->run_as}};
}

constexpr char kCompat[] = "compat";
constexpr char kLabels[] = "labels";
constexpr char kInsecureLoopback[] = "insecure_loopback";

absl::Status ReadKey(const std::string& path, const std::string& key, const toml::node& node,
                     NodeConfig* config) {
  if (key == kCompat) return ReadCompat(path, node, &config->compat);
  if (key == kLabels) return ReadLabels(path, node, &config->labels);
  if (key == kInsecureLoopback) {
    if (!node.is_boolean()) return Wrong(path, node, key, "true or false");
    config->insecure_loopback = node.as_boolean()->get();
    return absl::OkStatus();
  }
  const auto strings = Strings(config);
  if (const auto it = strings.find(key); it != strings.end()) {
    if (!node.is_string()) return Wrong(path, node, key, "a string");
    *it->second = node.as_string()->get();
    return absl::OkStatus();
  }
  const auto lists = Lists(config);
  if (const auto it = lists.find(key); it != lists.end()) {
    return ReadList(path, key, node, it->second);
  }
  std::vector<std::string> known = {kCompat, kInsecureLoopback, kLabels};
  for (const auto& [name, value] : strings) known.push_back(name);
  for (const auto& [name, value] : lists) known.push_back(name);
  return absl::InvalidArgumentError(absl::StrFormat(
      "%s: there is no key \"%s\"%s", Place(path, node), key, DidYouMean(key, known)));
}

absl::Status CheckText(absl::string_view key, absl::string_view text, bool may_be_empty) {
  if (text.empty() && !may_be_empty) {
    return absl::InvalidArgumentError(absl::StrCat(key, ": an empty string"));
  }
  if (std::any_of(text.begin(), text.end(), absl::ascii_iscntrl)) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: \"%s\" holds a control character", key,
                                                      absl::Utf8SafeCHexEscape(text)));
  }
  return absl::OkStatus();
}

toml::table CompatTable(const std::string& text) {
  toml::table table;
  const std::vector<std::string> parts = absl::StrSplit(text, ',');
  const std::pair<std::string, std::string> first =
      absl::StrSplit(parts[0], absl::MaxSplits('=', 1));
  table.insert("dialect", first.first);
  table.insert("address", first.second);
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::pair<std::string, std::string> option =
        absl::StrSplit(parts[i], absl::MaxSplits('=', 1));
    table.insert(option.first, option.second);
  }
  return table;
}

}  // namespace

absl::StatusOr<NodeConfig> NodeConfig::Load(const std::string& path, NodeConfig defaults) {
  auto text = ReadTrusted(path);
  if (!text.ok()) return text.status();
  if (absl::Status status = CheckLines(path, *text); !status.ok()) return status;
  toml::table table;
  try {
    table = toml::parse(*text, path);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(absl::StrFormat("%s:%d: %s", path, error.source().begin.line,
                                                      std::string(error.description())));
  }
  NodeConfig config = std::move(defaults);
  for (const auto& [key, node] : table) {
    if (absl::Status status = ReadKey(path, std::string(key.str()), node, &config); !status.ok()) {
      return status;
    }
  }
  return config;
}

absl::Status NodeConfig::Check() const {
  NodeConfig copy = *this;
  for (const auto& [key, value] : Strings(&copy)) {
    const bool may_be_empty = value == &copy.front_user || value == &copy.socket_group;
    if (absl::Status status = CheckText(key, *value, may_be_empty); !status.ok()) return status;
  }
  auto lists = Lists(&copy);
  lists[kCompat] = &copy.compat;
  for (const auto& [key, list] : lists) {
    for (const std::string& one : *list) {
      if (absl::Status status = CheckText(key, one, false); !status.ok()) return status;
    }
  }
  return ParseLabels(labels).status();
}

std::string NodeConfig::ToToml() const {
  NodeConfig copy = *this;
  toml::table table;
  for (const auto& [key, value] : Strings(&copy)) {
    table.insert(key, *value);
  }
  for (const auto& [key, list] : Lists(&copy)) {
    toml::array array;
    for (const std::string& one : *list) array.push_back(one);
    table.insert(key, std::move(array));
  }
  table.insert(kInsecureLoopback, insecure_loopback);
  toml::table of_labels;
  for (const std::string& one : labels) {
    const std::pair<std::string, std::string> label = absl::StrSplit(one, absl::MaxSplits('=', 1));
    of_labels.insert(label.first, label.second);
  }
  table.insert(kLabels, std::move(of_labels));
  toml::array tables;
  for (const std::string& one : compat) tables.push_back(CompatTable(one));
  table.insert(kCompat, std::move(tables));
  std::ostringstream out;
  out << table << '\n';
  return out.str();
}

}  // namespace nacre
