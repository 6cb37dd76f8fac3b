#include "config/node_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/support/temp_dir.h"

namespace nacre {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class NodeConfigTest : public ::testing::Test {
 protected:
  absl::StatusOr<NodeConfig> Load(const std::string& text, mode_t mode = 0644) {
    std::ofstream(path_) << text;
    EXPECT_EQ(chmod(path_.c_str(), mode), 0);
    NodeConfig defaults;
    defaults.listen = {"unix:/run/default"};
    defaults.state_dir = "/var/default";
    return NodeConfig::Load(path_, defaults);
  }
  std::string Complaint(const std::string& text) {
    const auto config = Load(text);
    EXPECT_TRUE(absl::IsInvalidArgument(config.status())) << text << config.status();
    return std::string(config.status().message());
  }

  const TempDir dir_;
  const std::string path_ = dir_.path() + "/nacred.toml";
};

TEST_F(NodeConfigTest, EveryKeyIsReadAndTheOthersAreAsBefore) {
  const auto config = Load(R"(
listen = ["unix:/run/n/s", "127.0.0.1:7070"]
run_as = ["ann", "bob"]
socket_group = "staff"
front_user = "web"
front = "/opt/front"
cgroup = "off"
drain_timeout = "5s"
spool_limit = "1G"
log_level = "debug"
insecure_loopback = true
[[compat]]
dialect = "framed"
address = "127.0.0.1:9100"
order = "err-out"
max_connections = 7
[labels]
zone = "north"
"example.com/gpu" = "a100 = 2"
)");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->listen, ElementsAre("unix:/run/n/s", "127.0.0.1:7070"));
  EXPECT_THAT(config->run_as, ElementsAre("ann", "bob"));
  EXPECT_EQ(config->socket_group, "staff");
  EXPECT_EQ(config->front_user, "web");
  EXPECT_EQ(config->front, "/opt/front");
  EXPECT_EQ(config->cgroup, "off");
  EXPECT_EQ(config->drain_timeout, "5s");
  EXPECT_EQ(config->spool_limit, "1G");
  EXPECT_EQ(config->log_level, "debug");
  EXPECT_TRUE(config->insecure_loopback);
  EXPECT_THAT(config->compat, ElementsAre("framed=127.0.0.1:9100,max_connections=7,order=err-out"));
  EXPECT_THAT(config->labels, ElementsAre("example.com/gpu=a100 = 2", "zone=north"));
  EXPECT_EQ(config->state_dir, "/var/default");
}

TEST_F(NodeConfigTest, WhatIsPrintedIsWhatIsRead) {
  NodeConfig config;
  config.listen = {"unix:/a b", "[::1]:1"};
  config.compat = {"framed=127.0.0.1:9100,order=err-out,quit=bye"};
  config.run_as = {"ann"};
  config.state_dir = "/a\"b\\c";
  config.insecure_loopback = true;
  config.labels = {"a.b/c=x=\"y\"", "zone=Größe"};
  const auto again = Load(config.ToToml());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->ToToml(), config.ToToml());
  EXPECT_EQ(again->compat, config.compat);
  EXPECT_EQ(again->labels, config.labels);
  EXPECT_EQ(again->state_dir, config.state_dir);
}

TEST_F(NodeConfigTest, WhatIsEmptyIsPrintedToo) {
  NodeConfig defaults;
  defaults.listen = {"unix:/default"};
  defaults.compat = {"framed=127.0.0.1:1"};
  defaults.run_as = {"ann"};
  defaults.labels = {"zone=north"};
  defaults.front_user = defaults.socket_group = "web";
  std::ofstream(path_) << NodeConfig().ToToml();
  chmod(path_.c_str(), 0600);
  const auto again = NodeConfig::Load(path_, defaults);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->ToToml(), NodeConfig().ToToml());
}

TEST_F(NodeConfigTest, EmptyStringsAndControlCharactersAreRefusedByName) {
  NodeConfig right;
  right.listen = {"unix:/ü"};
  right.state_dir = right.front = right.files = "/x";
  EXPECT_TRUE(right.Check().ok()) << right.Check();
  const auto complaint = [&](auto change) {
    NodeConfig config = right;
    change(config);
    return std::string(config.Check().message());
  };
  EXPECT_EQ(complaint([](NodeConfig& config) { config.state_dir = ""; }),
            "state_dir: an empty string");
  EXPECT_EQ(complaint([](NodeConfig& config) {
              config.run_as = {"ann", ""};
            }),
            "run_as: an empty string");
  EXPECT_EQ(complaint([](NodeConfig& config) { config.front = std::string("/a\0x", 4); }),
            "front: \"/a\\x00x\" holds a control character");
  EXPECT_EQ(complaint([](NodeConfig& config) { config.compat = {"framed=\x7f"}; }),
            "compat: \"framed=\\x7f\" holds a control character");
  EXPECT_EQ(complaint([](NodeConfig& config) { config.labels = {"zone"}; }),
            "label \"zone\" lacks its text: NAME=TEXT");
  EXPECT_EQ(complaint([](NodeConfig& config) {
              config.labels = {"zone=", "zone=x"};
            }),
            "label \"zone\" is given twice");
}

TEST_F(NodeConfigTest, AWrongLabelIsRefusedWithItsPlace) {
  EXPECT_THAT(Complaint("labels = [\"zone=north\"]"),
              HasSubstr(path_ + ":1: labels is not written as a [labels] table"));
  EXPECT_THAT(Complaint("[labels]\nzone = 1"),
              HasSubstr(path_ + ":2: labels.zone is not a string"));
  EXPECT_THAT(Complaint("[labels]\na.b = \"x\""),
              HasSubstr(path_ + ":2: labels.a is not a string; quote a name that holds a dot"));
  EXPECT_THAT(Complaint("[labels]\n\nzone = \"a\\n\""),
              HasSubstr(path_ + ":3: label \"zone\" is not UTF-8, or holds a control character"));
  EXPECT_THAT(Complaint("[labels]\n\"a b\" = \"x\""),
              HasSubstr(path_ + ":2: label \"a b\": a name is 1 to 63 letters"));
  EXPECT_THAT(Complaint("[lables]\nzone = \"x\""), HasSubstr("did you mean \"labels\"?"));
  std::string many = "[labels]\n";
  for (int i = 0; i < 65; ++i) many += "l" + std::to_string(i) + " = \"\"\n";
  EXPECT_THAT(Complaint(many), HasSubstr(":1: 65 labels: a node has at most 64"));
}

TEST_F(NodeConfigTest, AWrongWordIsRefusedWithItsPlaceAndTheRightOne) {
  EXPECT_THAT(Complaint("\nrun-as = [\"ann\"]"),
              HasSubstr(path_ + ":2: there is no key \"run-as\"; did you mean \"run_as\"?"));
  EXPECT_THAT(Complaint("listen = \"unix:/s\""), HasSubstr(":1: listen is not a list of strings"));
  EXPECT_THAT(Complaint("run_as = [1]"), HasSubstr("run_as is not a list of strings"));
  EXPECT_THAT(Complaint("state_dir = 1"), HasSubstr("state_dir is not a string"));
  EXPECT_THAT(Complaint("insecure_loopback = \"yes\""), HasSubstr("is not true or false"));
  EXPECT_THAT(Complaint("compat = \"framed\""), HasSubstr("[[compat]]"));
  EXPECT_THAT(Complaint("[[compat]]\ndialect = \"framed\""), HasSubstr("lacks"));
  EXPECT_THAT(Complaint("[[compat]]\norder = 1.5"), HasSubstr("order is not a string"));
  EXPECT_THAT(Complaint("listen = [\n\"x\""), HasSubstr(path_ + ":"));
  EXPECT_THAT(Complaint("state_dir = \"a\"\nstate_dir = \"b\""), HasSubstr(":2"));
  EXPECT_THAT(Complaint(std::string("\xff\x00\x01", 3)), HasSubstr(path_ + ":1"));
}

TEST_F(NodeConfigTest, AFileThatOthersCouldHaveWrittenIsRefused) {
  EXPECT_TRUE(absl::IsPermissionDenied(Load("", 0664).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(Load("", 0646).status()));
  EXPECT_TRUE(Load("", 0644).ok());
  EXPECT_TRUE(absl::IsNotFound(NodeConfig::Load("/nonexistent/file", {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(NodeConfig::Load("/tmp", {}).status()));
}

}  // namespace
}  // namespace nacre
