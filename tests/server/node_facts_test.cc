#include "server/node_facts.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace nacre {
namespace {

constexpr char kProvesNothing[] = "plaintext, and callers prove nothing";

keeper::v1::Welcome WelcomeOf(uint32_t uid, const std::string& user) {
  keeper::v1::Welcome welcome;
  welcome.set_uid(uid);
  welcome.set_user(user);
  return welcome;
}

void AddListener(keeper::v1::Welcome* welcome, const std::string& name, const std::string& address,
                 const std::string& secret = "") {
  keeper::v1::Listener* listener = welcome->add_listeners();
  listener->set_name(name);
  listener->set_address(address);
  listener->set_secret_name(secret.empty() ? "" : "gate");
  listener->set_secret(secret);
}

TEST(NodeFacts, TellTheKeeperAndThisProcess) {
  keeper::v1::Welcome welcome = WelcomeOf(geteuid(), "someone");
  welcome.set_pid(77);
  welcome.set_start_unix_ns(1'000'000'000'500'000'000);
  welcome.set_max_sessions(99);
  welcome.set_max_descriptors(1234);
  welcome.set_node_id("0123456789abcdef0123456789abcdef");
  keeper::v1::User* alice = welcome.add_users();
  alice->set_uid(1234);
  alice->set_name("alice");
  const v1::Node node =
      GatherNodeFacts(welcome, {.version = "1.2.3", .labels = {{"zone", "north"}, {"a/b", ""}}});
  EXPECT_EQ(node.version(), "1.2.3");
  EXPECT_EQ(node.daemon_pid(), 77U);
  EXPECT_EQ(node.start_time().seconds(), 1'000'000'000);
  EXPECT_EQ(node.start_time().nanos(), 500'000'000);
  EXPECT_EQ(node.front_pid(), static_cast<uint32_t>(getpid()));
  EXPECT_GT(node.front_start_time().seconds(), node.start_time().seconds());
  EXPECT_EQ(node.user(), "someone");
  EXPECT_EQ(node.front_user(), "someone");
  ASSERT_EQ(node.run_as_users_size(), 1);
  EXPECT_EQ(node.run_as_users(0), "alice");
  EXPECT_EQ(node.max_sessions(), 99U);
  EXPECT_EQ(node.id(), "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(node.labels_size(), 2);
  EXPECT_EQ(node.labels().at("zone"), "north");
  EXPECT_EQ(node.labels().at("a/b"), "");
  EXPECT_EQ(node.limits().max_session_descriptors(), 1234U);
  EXPECT_EQ(node.limits().max_request_bytes(), 4U << 20);
  EXPECT_EQ(node.limits().max_open_files(), 256U);
}

TEST(NodeFacts, AFrontOfAnotherUserThanTheDaemonIsNamedByThePasswordFile) {
  if (geteuid() != 0) GTEST_SKIP() << "needs a user whose name is known: root";
  EXPECT_EQ(GatherNodeFacts(WelcomeOf(4'000'000'001, "someone"), {}).front_user(), "root");
}

TEST(NodeFacts, AKeeperThatIsTooOldLeavesThemOut) {
  const v1::Node node = GatherNodeFacts(WelcomeOf(0, "root"), {});
  EXPECT_FALSE(node.has_start_time());
  EXPECT_EQ(node.daemon_pid(), 0U);
  EXPECT_EQ(node.kill_method(), v1::KILL_METHOD_UNSPECIFIED);
  EXPECT_EQ(node.id(), "");
  EXPECT_EQ(node.limits().max_session_descriptors(), 0U);
}

TEST(NodeFacts, KillMethodsAreTranslated) {
  keeper::v1::Welcome welcome;
  welcome.set_kill_method("cgroup");
  EXPECT_EQ(GatherNodeFacts(welcome, {}).kill_method(), v1::KILL_METHOD_CGROUP);
  welcome.set_kill_method("search");
  EXPECT_EQ(GatherNodeFacts(welcome, {}).kill_method(), v1::KILL_METHOD_SEARCH);
  welcome.set_kill_method("another");
  EXPECT_EQ(GatherNodeFacts(welcome, {}).kill_method(), v1::KILL_METHOD_UNSPECIFIED);
}

TEST(NodeFacts, WhoCanCallWithoutAProofIsAWarning) {
  keeper::v1::Welcome welcome = WelcomeOf(1000, "alice");
  AddListener(&welcome, "grpc-0", "unix:/run/nacre/nacred.sock");
  AddListener(&welcome, "grpc-1", "127.0.0.1:7070");
  AddListener(&welcome, "compat-0", "127.0.0.1:9100");
  AddListener(&welcome, "compat-1", "127.0.0.1:9101", "open sesame, please");
  const v1::Node node = GatherNodeFacts(welcome, {.dialects = {"framed", "other"}});
  ASSERT_EQ(node.listeners_size(), 4);
  EXPECT_EQ(node.listeners(0).name(), "grpc-0");
  EXPECT_EQ(node.listeners(0).address(), "unix:/run/nacre/nacred.sock");
  EXPECT_EQ(node.listeners(0).dialect(), "");
  EXPECT_EQ(node.listeners(0).warning(), "");
  EXPECT_EQ(node.listeners(1).dialect(), "");
  EXPECT_EQ(node.listeners(1).warning(), kProvesNothing);
  EXPECT_EQ(node.listeners(2).dialect(), "framed");
  EXPECT_FALSE(node.listeners(2).requires_secret());
  EXPECT_EQ(node.listeners(2).warning(), kProvesNothing);
  EXPECT_EQ(node.listeners(3).dialect(), "other");
  EXPECT_TRUE(node.listeners(3).requires_secret());
  EXPECT_EQ(node.listeners(3).warning(), "");
  const std::string all = node.SerializeAsString();
  EXPECT_EQ(all.find("sesame"), std::string::npos);
  EXPECT_EQ(all.find("gate"), std::string::npos);
}

TEST(NodeFacts, TheWarningSaysAsWhomCommandsRunIfAnyDo) {
  keeper::v1::Welcome welcome = WelcomeOf(1000, "alice");
  AddListener(&welcome, "grpc-0", "127.0.0.1:7070");
  welcome.add_users()->set_uid(1000);
  EXPECT_EQ(GatherNodeFacts(welcome, {}).listeners(0).warning(),
            absl::StrCat(kProvesNothing, ": every local user can run commands as alice"));
}

}  // namespace
}  // namespace nacre
