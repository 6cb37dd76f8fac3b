// What a node says of itself.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "nacre/client.h"
#include "tests/client/fake_node.h"

namespace nacre::client {
namespace {

absl::StatusOr<NodeInfo> AskAt(const std::string& target) {
  auto client = Client::Connect({.target = target});
  if (!client.ok()) return client.status();
  return (*client)->GetNode();
}

absl::StatusOr<NodeInfo> Ask(const v1::Node& node) {
  const FakeNode fake({.get_node = [&](const v1::GetNodeRequest&, v1::GetNodeResponse* response) {
    *response->mutable_node() = node;
    return grpc::Status::OK;
  }});
  return AskAt(fake.target());
}

TEST(GetNode, TellsEverything) {
  v1::Node node;
  node.set_version("1.2.3");
  node.set_epoch("00c0ffee");
  node.set_host_name("pearl");
  node.mutable_start_time()->set_seconds(1000);
  node.set_daemon_pid(10);
  node.set_front_pid(11);
  node.mutable_front_start_time()->set_seconds(2000);
  node.set_user("root");
  node.set_front_user("nacre");
  node.add_run_as_users("alice");
  node.add_run_as_users("bob");
  v1::NodeListener* listener = node.add_listeners();
  listener->set_name("compat-0");
  listener->set_address("127.0.0.1:9100");
  listener->set_dialect("framed");
  listener->set_requires_secret(true);
  listener->set_warning("beware");
  node.set_running_sessions(3);
  node.set_ended_sessions(4);
  node.set_max_sessions(5);
  node.set_kill_method(v1::KILL_METHOD_CGROUP);
  node.set_draining(true);
  node.set_stopping(true);
  node.set_id("0123456789abcdef0123456789abcdef");
  (*node.mutable_labels())["zone"] = "north";
  v1::NodeLimits* limits = node.mutable_limits();
  limits->set_max_session_descriptors(21);
  limits->set_max_request_bytes(22);
  limits->set_max_calls_per_connection(23);
  limits->set_max_open_files(24);
  limits->set_max_file_calls_per_user(25);
  limits->set_max_retention_bytes(26);
  limits->set_input_window_bytes(27);
  v1::NodeLoad* load = node.mutable_load();
  load->set_load_average_1m(0.25);
  load->set_load_average_5m(0.5);
  load->set_load_average_15m(0.75);
  load->set_cpus(31);
  load->set_memory_bytes(32);
  load->set_available_memory_bytes(33);
  load->set_own_running_sessions(34);
  load->set_open_files(35);
  load->set_file_calls(36);
  const auto info = Ask(node);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->version, "1.2.3");
  EXPECT_EQ(info->epoch, "00c0ffee");
  EXPECT_EQ(info->host_name, "pearl");
  EXPECT_EQ(*info->start_time, absl::FromUnixSeconds(1000));
  EXPECT_EQ(info->daemon_pid, 10U);
  EXPECT_EQ(info->front_pid, 11U);
  EXPECT_EQ(info->front_start_time, absl::FromUnixSeconds(2000));
  EXPECT_EQ(info->user, "root");
  EXPECT_EQ(info->front_user, "nacre");
  EXPECT_EQ(info->run_as_users, (std::vector<std::string>{"alice", "bob"}));
  ASSERT_EQ(info->listeners.size(), 1U);
  EXPECT_EQ(info->listeners[0].name, "compat-0");
  EXPECT_EQ(info->listeners[0].address, "127.0.0.1:9100");
  EXPECT_EQ(info->listeners[0].dialect, "framed");
  EXPECT_TRUE(info->listeners[0].requires_secret);
  EXPECT_EQ(info->listeners[0].warning, "beware");
  EXPECT_EQ(info->running_sessions, 3U);
  EXPECT_EQ(info->ended_sessions, 4U);
  EXPECT_EQ(info->max_sessions, 5U);
  EXPECT_EQ(info->kill_method, KillMethod::kCgroup);
  EXPECT_TRUE(info->draining);
  EXPECT_TRUE(info->stopping);
  EXPECT_EQ(info->id, "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(info->labels, (std::map<std::string, std::string>{{"zone", "north"}}));
  ASSERT_TRUE(info->limits.has_value());
  EXPECT_EQ(info->limits->max_session_descriptors, 21U);
  EXPECT_EQ(info->limits->max_request_bytes, 22U);
  EXPECT_EQ(info->limits->max_calls_per_connection, 23U);
  EXPECT_EQ(info->limits->max_open_files, 24U);
  EXPECT_EQ(info->limits->max_file_calls_per_user, 25U);
  EXPECT_EQ(info->limits->max_retention_bytes, 26U);
  EXPECT_EQ(info->limits->input_window_bytes, 27U);
  ASSERT_TRUE(info->load.has_value());
  EXPECT_EQ(info->load->load_average_1m, 0.25);
  EXPECT_EQ(info->load->load_average_5m, 0.5);
  EXPECT_EQ(info->load->load_average_15m, 0.75);
  EXPECT_EQ(info->load->cpus, 31U);
  EXPECT_EQ(info->load->memory_bytes, 32U);
  EXPECT_EQ(info->load->available_memory_bytes, 33U);
  EXPECT_EQ(info->load->own_running_sessions, 34U);
  EXPECT_EQ(info->load->open_files, 35U);
  EXPECT_EQ(info->load->file_calls, 36U);
}

TEST(GetNode, WhatADaemonIsTooOldToSayIsUnknown) {
  const auto info = Ask(v1::Node());
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_FALSE(info->start_time.has_value());
  EXPECT_EQ(info->daemon_pid, 0U);
  EXPECT_EQ(info->kill_method, KillMethod::kUnknown);
  EXPECT_FALSE(info->draining);
  EXPECT_EQ(info->id, "");
  EXPECT_FALSE(info->limits.has_value());
  EXPECT_FALSE(info->load.has_value());
}

TEST(GetNode, AKillMethodOfLaterIsUnknown) {
  v1::Node node;
  node.set_kill_method(static_cast<v1::KillMethod>(77));
  const auto info = Ask(node);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->kill_method, KillMethod::kUnknown);
  EXPECT_EQ(KillMethodName(info->kill_method), "unknown");
}

TEST(GetNode, AsksTheNextFrontWhenOneGoes) {
  std::atomic<int> calls = 0;
  const FakeNode fake({.get_node = [&](const v1::GetNodeRequest&, v1::GetNodeResponse* response) {
    if (++calls == 1) return FrontRestarting();
    if (calls == 2) return ConnectionLost();
    response->mutable_node()->set_version("1.2.3");
    return grpc::Status::OK;
  }});
  const auto info = AskAt(fake.target());
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->version, "1.2.3");
  EXPECT_EQ(calls, 3);
}

TEST(GetNode, AnOlderNodeIsSaidToBeOne) {
  const FakeNode fake(Scripts{});
  const absl::Status status = AskAt(fake.target()).status();
  EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
  EXPECT_EQ(status.message(),
            "the node at " + fake.target() + " can't tell of itself: its release is too old");
}

TEST(GetNode, FailsAtOnceWhenNobodyListens) {
  const absl::Status status = AskAt("unix:/nowhere").status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

}  // namespace
}  // namespace nacre::client
