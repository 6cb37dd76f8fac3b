#include "client/cli/json.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "client/utf8.h"

namespace nacre::cli {
namespace {

using Json = nlohmann::ordered_json;

Json Time(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone());
}

Json Seconds(absl::Duration duration) { return absl::ToDoubleSeconds(duration); }

Json Streams(const std::vector<client::StreamSummary>& streams) {
  Json list = Json::array();
  for (const client::StreamSummary& stream : streams) {
    list.push_back(
        {{"stream", stream.stream == client::OutputStream::kStdout ? "stdout" : "stderr"},
         {"bytes", stream.bytes},
         {"xxh3_128", absl::BytesToHexString(stream.xxh3_128)}});
  }
  return list;
}

Json Termination(const client::Termination& end) {
  Json json;
  if (const auto* exited = std::get_if<client::Exited>(&end.result)) {
    json["exit_code"] = exited->code;
  } else if (const auto* signaled = std::get_if<client::Signaled>(&end.result)) {
    json["signal"] = {{"number", signaled->number},
                      {"name", signaled->name},
                      {"core_dumped", signaled->core_dumped}};
  }
  json["cause"] = absl::StrReplaceAll(std::string(client::CauseName(end.cause)), {{" ", "_"}});
  if (!end.cancelled_by.empty()) json["cancelled_by"] = end.cancelled_by;
  json["start_time"] = Time(end.start_time);
  json["end_time"] = Time(end.end_time);
  json["run_time"] = Seconds(end.run_time);
  json["usage"] = {{"user_time", Seconds(end.usage.user_time)},
                   {"system_time", Seconds(end.usage.system_time)},
                   {"max_rss_bytes", end.usage.max_rss_bytes}};
  json["streams"] = Streams(end.streams);
  json["output_complete"] = end.output_complete;
  json["output_held_open"] = end.output_held_open;
  return json;
}

Json Session(const client::SessionInfo& session) {
  Json json = {{"id", session.id},
               {"start_time", Time(session.start_time)},
               {"owner", session.owner},
               {"run_as_user", session.run_as_user},
               {"state", std::string(client::SessionStateName(session.state))},
               {"command_line", session.command_line},
               {"tags", Json(session.tags)},
               {"request_id", session.request_id},
               {"end_position", session.end_position},
               {"kept_position", session.kept_position},
               {"driven", session.driven},
               {"has_terminal", session.has_terminal}};
  if (session.termination.has_value()) json["termination"] = Termination(*session.termination);
  if (session.expire_time.has_value()) json["expire_time"] = Time(*session.expire_time);
  return json;
}

Json Limits(const client::NodeLimits& limits) {
  Json json = Json::object();
  if (limits.max_session_descriptors > 0) {
    json["max_session_descriptors"] = limits.max_session_descriptors;
  }
  json["max_request_bytes"] = limits.max_request_bytes;
  json["max_calls_per_connection"] = limits.max_calls_per_connection;
  json["max_open_files"] = limits.max_open_files;
  json["max_file_calls_per_user"] = limits.max_file_calls_per_user;
  json["max_retention_bytes"] = limits.max_retention_bytes;
  json["input_window_bytes"] = limits.input_window_bytes;
  return json;
}

Json Load(const client::NodeLoad& load) {
  Json json = {{"load_average_1m", load.load_average_1m},
               {"load_average_5m", load.load_average_5m},
               {"load_average_15m", load.load_average_15m}};
  if (load.cpus > 0) json["cpus"] = load.cpus;
  if (load.memory_bytes > 0) json["memory_bytes"] = load.memory_bytes;
  if (load.available_memory_bytes > 0) {
    json["available_memory_bytes"] = load.available_memory_bytes;
  }
  json["own_running_sessions"] = load.own_running_sessions;
  json["open_files"] = load.open_files;
  json["file_calls"] = load.file_calls;
  return json;
}

Json Node(const client::NodeInfo& node) {
  Json listeners = Json::array();
  for (const client::NodeListener& listener : node.listeners) {
    listeners.push_back({{"name", listener.name},
                         {"address", listener.address},
                         {"dialect", listener.dialect},
                         {"requires_secret", listener.requires_secret},
                         {"warning", listener.warning}});
  }
  Json json = Json::object();
  if (!node.id.empty()) json["id"] = node.id;
  json["version"] = node.version;
  json["epoch"] = node.epoch;
  json["host_name"] = node.host_name;
  if (node.start_time.has_value()) json["start_time"] = Time(*node.start_time);
  if (node.daemon_pid != 0) json["daemon_pid"] = node.daemon_pid;
  json["front_pid"] = node.front_pid;
  json["front_start_time"] = Time(node.front_start_time);
  json["user"] = node.user;
  json["front_user"] = node.front_user;
  json["run_as_users"] = node.run_as_users;
  json["listeners"] = std::move(listeners);
  json["running_sessions"] = node.running_sessions;
  json["ended_sessions"] = node.ended_sessions;
  json["max_sessions"] = node.max_sessions;
  json["kill_method"] = std::string(client::KillMethodName(node.kill_method));
  json["draining"] = node.draining;
  json["stopping"] = node.stopping;
  json["labels"] = Json(node.labels);
  if (node.limits.has_value()) json["limits"] = Limits(*node.limits);
  if (node.load.has_value()) json["load"] = Load(*node.load);
  return json;
}

// Under `name`, or where it is not UTF-8 in base64 under `name`_bytes, as in the wire's JSON.
void AddText(Json* json, const std::string& name, const std::string& text) {
  if (text.empty()) return;
  if (client::IsUtf8(text)) {
    (*json)[name] = text;
  } else {
    (*json)[name + "_bytes"] = absl::Base64Escape(text);
  }
}

// A name of several words as the API has it.
std::string Identifier(std::string_view words) {
  return absl::StrReplaceAll(absl::string_view(words.data(), words.size()), {{" ", "_"}});
}

Json File(const client::FileInfo& file) {
  Json json = Json::object();
  AddText(&json, "name", file.name);
  json["type"] = Identifier(client::FileTypeName(file.type));
  json["size"] = file.size;
  json["allocated_bytes"] = file.allocated_bytes;
  json["mode"] = file.mode;
  json["modify_time"] = Time(file.modify_time);
  json["uid"] = file.uid;
  json["gid"] = file.gid;
  json["links"] = file.links;
  json["inode"] = file.inode;
  json["device"] = file.device;
  AddText(&json, "link_target", file.link_target);
  if (!file.version.empty()) json["version"] = file.version;
  return json;
}

// One line; what is not UTF-8 becomes U+FFFD.
std::string Text(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

}  // namespace

std::string ToJson(const client::SessionInfo& session) { return Text(Session(session)); }

std::string ToJson(const std::vector<client::SessionInfo>& sessions) {
  Json list = Json::array();
  for (const client::SessionInfo& session : sessions) list.push_back(Session(session));
  return Text(list);
}

std::string ToJson(const client::NodeInfo& node) { return Text(Node(node)); }

std::string ToJson(const client::FileInfo& file) { return Text(File(file)); }

std::string ToJson(const client::WatchEvent& event, absl::Time time) {
  Json json = {{"time", Time(time)}};
  if (const auto* happened = std::get_if<client::FileEvent>(&event)) {
    json["kind"] = Identifier(client::FileEventKindName(happened->kind));
    AddText(&json, "name", happened->name);
    json["directory"] = happened->directory;
    if (happened->move != 0) json["move"] = happened->move;
  } else {
    json["kind"] = std::holds_alternative<client::Watching>(event) ? "watching" : "overflow";
  }
  return Text(json);
}

}  // namespace nacre::cli
