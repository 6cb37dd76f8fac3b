// nacre status, against a scripted node.
#include <gtest/gtest.h>

#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/client/fake_node.h"
#include "tests/client/nacre_process.h"

namespace nacre::client {
namespace {

v1::Node Node() {
  const int64_t now = absl::ToUnixSeconds(absl::Now());
  v1::Node node;
  node.set_version("1.2.3");
  node.set_epoch("00c0ffee");
  node.set_host_name("pearl");
  node.mutable_start_time()->set_seconds(now - 3 * 24 * 3600 - 60);
  node.set_daemon_pid(10);
  node.set_front_pid(11);
  node.mutable_front_start_time()->set_seconds(now - 2 * 3600 - 60);
  node.set_user("root");
  node.set_front_user("nacre");
  node.add_run_as_users("alice");
  node.add_run_as_users("bob");
  v1::NodeListener* local = node.add_listeners();
  local->set_name("grpc-0");
  local->set_address("unix:/run/nacre/nacred.sock");
  v1::NodeListener* old = node.add_listeners();
  old->set_name("compat-0");
  old->set_address("127.0.0.1:9100");
  old->set_dialect("framed");
  old->set_warning("anybody can call");
  v1::NodeListener* proven = node.add_listeners();
  proven->set_name("compat-1");
  proven->set_address("127.0.0.1:9101");
  proven->set_dialect("framed");
  proven->set_requires_secret(true);
  node.set_running_sessions(3);
  node.set_ended_sessions(4);
  node.set_max_sessions(5);
  node.set_kill_method(v1::KILL_METHOD_SEARCH);
  return node;
}

Scripts Tell(const v1::Node& node) {
  return {.get_node = [node](const v1::GetNodeRequest&, v1::GetNodeResponse* response) {
    *response->mutable_node() = node;
    return grpc::Status::OK;
  }};
}

TEST(NacreStatus, IsOneLineForEachThing) {
  const Outcome outcome = RunAgainst(Tell(Node()), {"status"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out,
            "version:            1.2.3\n"
            "host:               pearl\n"
            "epoch:              00c0ffee\n"
            "daemon:             pid 10, up for 3d, as root\n"
            "front:              pid 11, up for 2h, as nacre\n"
            "commands run as:    alice, bob\n"
            "sessions:           3 running, 4 ended, room for 5\n"
            "kill method:        search\n"
            "draining:           no\n"
            "listener grpc-0:    unix:/run/nacre/nacred.sock, gRPC\n"
            "listener compat-0:  127.0.0.1:9100, framed; WARNING: anybody can call\n"
            "listener compat-1:  127.0.0.1:9101, framed, with a secret\n");
  EXPECT_EQ(outcome.err, "");
}

TEST(NacreStatus, TellsIdLoadLimitsAndLabels) {
  v1::Node node = Node();
  node.set_id("0123456789abcdef0123456789abcdef");
  (*node.mutable_labels())["zone"] = "north";
  (*node.mutable_labels())["gpu"] = "a100";
  v1::NodeLoad* load = node.mutable_load();
  load->set_load_average_1m(0.5);
  load->set_load_average_5m(1.25);
  load->set_load_average_15m(10);
  load->set_cpus(8);
  load->set_memory_bytes(16ULL << 30);
  load->set_available_memory_bytes(4ULL << 30);
  load->set_own_running_sessions(2);
  load->set_open_files(6);
  load->set_file_calls(7);
  v1::NodeLimits* limits = node.mutable_limits();
  limits->set_max_session_descriptors(1000);
  limits->set_max_open_files(256);
  limits->set_max_request_bytes(4 << 20);
  limits->set_max_retention_bytes(1 << 20);
  const std::string out = RunAgainst(Tell(node), {"status"}).out;
  for (const char* line :
       {"id:                 0123456789abcdef0123456789abcdef\n",
        "sessions:           3 running (2 of them yours), 4 ended, room for 5\n",
        "load:               0.50 1.25 10.00 on 8 processors\n",
        "memory:             4.0 GiB of 16.0 GiB available\n",
        "files:              6 open, 7 calls under way\n",
        ("limits:             1000 descriptors of sessions, 256 open files, requests of 4.0 MiB, "
         "retention of 1.0 MiB\n"),
        "label gpu:          a100\n", "label zone:         north\n"}) {
    EXPECT_NE(out.find(line), std::string::npos) << line << out;
  }
  const std::string json = RunAgainst(Tell(node), {"status", "-o", "json"}).out;
  EXPECT_EQ(json.find(R"({"id":"0123456789abcdef0123456789abcdef","version":"1.2.3",)"), 0U)
      << json;
  EXPECT_NE(json.find(R"("stopping":false,"labels":{"gpu":"a100","zone":"north"},"limits":{)"
                      R"("max_session_descriptors":1000,"max_request_bytes":4194304,)"),
            std::string::npos)
      << json;
  EXPECT_NE(json.find(R"("load":{"load_average_1m":0.5,"load_average_5m":1.25,)"
                      R"("load_average_15m":10.0,"cpus":8,)"),
            std::string::npos)
      << json;
}

TEST(NacreStatus, SaysWhyItTakesNoSessions) {
  v1::Node node = Node();
  node.set_draining(true);
  EXPECT_NE(RunAgainst(Tell(node), {"status"}).out.find("yes, it takes no new sessions\n"),
            std::string::npos);
  node.set_stopping(true);
  EXPECT_NE(RunAgainst(Tell(node), {"status"}).out.find("yes, it shuts down\n"), std::string::npos);
}

TEST(NacreStatus, LeavesOutWhatTheNodeIsTooOldToSay) {
  v1::Node node = Node();
  node.clear_start_time();
  node.clear_daemon_pid();
  node.clear_kill_method();
  node.clear_run_as_users();
  node.set_draining(true);
  const std::string out = RunAgainst(Tell(node), {"status"}).out;
  EXPECT_NE(out.find("daemon:             as root\n"), std::string::npos) << out;
  EXPECT_NE(out.find("commands run as:    nobody\n"), std::string::npos) << out;
  EXPECT_NE(out.find("kill method:        unknown\n"), std::string::npos) << out;
  EXPECT_NE(out.find("draining:           yes, it takes no new sessions\n"), std::string::npos)
      << out;
}

TEST(NacreStatus, CannotHarmATerminal) {
  const std::string harm = "\x1B[2J\n\xC2\x9B";
  v1::Node node = Node();
  node.set_version(harm);
  node.set_epoch(harm);
  node.set_host_name(harm);
  node.set_user(harm);
  node.set_front_user(harm);
  node.set_run_as_users(0, harm);
  node.set_id(harm);
  (*node.mutable_labels())[harm] = harm;
  v1::NodeListener* listener = node.mutable_listeners(1);
  listener->set_name(harm);
  listener->set_address(harm);
  listener->set_dialect(harm);
  listener->set_warning(harm);
  for (const auto& format : {"text", "json"}) {
    const Outcome outcome = RunAgainst(Tell(node), {"status", "-o", format});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.out.find('\x1B'), std::string::npos) << outcome.out;
    EXPECT_EQ(outcome.out.find("\xC2\x9B"), std::string::npos) << outcome.out;
  }
}

TEST(NacreStatus, PrintsJson) {
  v1::Node node = Node();
  node.mutable_start_time()->set_seconds(1'000'000'000);
  node.mutable_front_start_time()->set_seconds(1'000'000'001);
  const Outcome outcome = RunAgainst(Tell(node), {"status", "-o", "json"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out,
            R"({"version":"1.2.3","epoch":"00c0ffee","host_name":"pearl",)"
            R"("start_time":"2001-09-09T01:46:40+00:00","daemon_pid":10,"front_pid":11,)"
            R"("front_start_time":"2001-09-09T01:46:41+00:00","user":"root","front_user":"nacre",)"
            R"("run_as_users":["alice","bob"],"listeners":[)"
            R"({"name":"grpc-0","address":"unix:/run/nacre/nacred.sock","dialect":"",)"
            R"("requires_secret":false,"warning":""},)"
            R"({"name":"compat-0","address":"127.0.0.1:9100","dialect":"framed",)"
            R"("requires_secret":false,"warning":"anybody can call"},)"
            R"({"name":"compat-1","address":"127.0.0.1:9101","dialect":"framed",)"
            R"("requires_secret":true,"warning":""}],)"
            R"("running_sessions":3,"ended_sessions":4,"max_sessions":5,"kill_method":"search",)"
            R"("draining":false,"stopping":false,"labels":{}})"
            "\n");
}

TEST(NacreStatus, JsonLeavesOutWhatTheNodeIsTooOldToSay) {
  v1::Node node = Node();
  node.clear_start_time();
  node.clear_daemon_pid();
  const std::string out = RunAgainst(Tell(node), {"status", "-o", "json"}).out;
  EXPECT_EQ(out.find("\"start_time\""), std::string::npos) << out;
  EXPECT_EQ(out.find("daemon_pid"), std::string::npos) << out;
}

TEST(NacreStatus, FailsWith1OfAnOlderNodeAndSaysSo) {
  const Outcome outcome = RunAgainst(Scripts{}, {"status"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("its release is too old"), std::string::npos) << outcome.err;
}

TEST(NacreStatus, FailsWith1WithoutANode) {
  const Outcome outcome = RunNacre({"-H", "unix:/nowhere", "status"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("cannot connect to unix:/nowhere"), std::string::npos) << outcome.err;
}

TEST(NacreStatus, FailsWith1WhenItsOutputCannotBeWritten) {
  const FakeNode node(Tell(Node()));
  EXPECT_EQ(RunNacre({"-H", node.target(), "status"}, ">/dev/full").status, 1);
}

}  // namespace
}  // namespace nacre::client
