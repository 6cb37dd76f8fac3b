#include "client/target.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "nacre/client.h"

namespace nacre::client {
namespace {

struct Valid {
  std::string text;
  std::string grpc_uri;
  bool local;
};

class ValidTarget : public testing::TestWithParam<Valid> {};

TEST_P(ValidTarget, IsWrittenBackAsItWasReadAndHasAGrpcUri) {
  const auto target = ParseTarget(GetParam().text);
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_EQ(target->ToString(), GetParam().text);
  EXPECT_EQ(target->ToGrpcUri(), GetParam().grpc_uri);
  EXPECT_EQ(target->IsLocal(), GetParam().local);
}

INSTANTIATE_TEST_SUITE_P(
    All, ValidTarget,
    testing::Values(Valid{"unix:/run/nacre/nacred.sock", "unix:/run/nacre/nacred.sock", true},
                    Valid{"unix:relative", "unix:relative", true},
                    Valid{"unix:/odd %20#?", "unix:/odd%20%2520%23%3F", true},
                    Valid{"127.0.0.1:7070", "ipv4:127.0.0.1:7070", true},
                    Valid{"127.1.2.3:1", "ipv4:127.1.2.3:1", true},
                    Valid{"10.0.0.1:65535", "ipv4:10.0.0.1:65535", false},
                    Valid{"[::1]:7070", "ipv6:%5B::1%5D:7070", true},
                    Valid{"[fe80::1]:7070", "ipv6:%5Bfe80::1%5D:7070", false},
                    Valid{"localhost:7070", "dns:///localhost:7070", true},
                    Valid{"node.example:7070", "dns:///node.example:7070", false}));

class InvalidTarget : public testing::TestWithParam<std::string> {};

TEST_P(InvalidTarget, IsRefused) {
  const auto target = ParseTarget(GetParam());
  EXPECT_TRUE(absl::IsInvalidArgument(target.status())) << target.status();
}

INSTANTIATE_TEST_SUITE_P(All, InvalidTarget,
                         testing::Values("", "host", ":1", "host:", "host:0", "host:65536",
                                         "host:x", "host:-1", "unix:", "::1:7070", "[::1]",
                                         "[host]:1", "[::1:1", "a b:1", "http://host:1", "u@h:1",
                                         "unix:" + std::string(108, 'x'),
                                         std::string("unix:/a\0b", 9)));

class DefaultTargetTest : public testing::Test {
 protected:
  void SetUp() override {
    unsetenv("NACRE_HOST");
    unsetenv("XDG_RUNTIME_DIR");
  }
  void TearDown() override { SetUp(); }
};

TEST_F(DefaultTargetTest, IsTheSystemsNode) {
  EXPECT_EQ(DefaultTarget(), "unix:/run/nacre/nacred.sock");
}

TEST_F(DefaultTargetTest, IsTheUsersNodeWhereThereIsARuntimeDirectory) {
  setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
  // Root's environment may have another user's.
  EXPECT_EQ(DefaultTarget(),
            getuid() == 0 ? "unix:/run/nacre/nacred.sock" : "unix:/run/user/7/nacre/nacred.sock");
}

TEST_F(DefaultTargetTest, IsWhatTheEnvironmentNames) {
  setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
  setenv("NACRE_HOST", "127.0.0.1:1", 1);
  EXPECT_EQ(DefaultTarget(), "127.0.0.1:1");
}

TEST_F(DefaultTargetTest, IgnoresEmptyVariables) {
  setenv("XDG_RUNTIME_DIR", "", 1);
  setenv("NACRE_HOST", "", 1);
  EXPECT_EQ(DefaultTarget(), "unix:/run/nacre/nacred.sock");
}

}  // namespace
}  // namespace nacre::client
