#include "executor/policy.h"

#include <gtest/gtest.h>

#include "executor/errors.h"

namespace nacre {
namespace {

const NodeUser kAnn{1000, "ann"}, kBob{1001, "bob"}, kRoot{0, "root"};

CommandSpec Spec(const std::string& run_as = "") {
  CommandParts parts;
  parts.argv = {"true"};
  parts.run_as = run_as;
  return *CommandSpec::Create(parts);
}

void ExpectDenied(const absl::StatusOr<std::string>& user, absl::string_view rule) {
  EXPECT_TRUE(absl::IsPermissionDenied(user.status())) << user.status();
  EXPECT_EQ(ErrorReason(user.status()), "POLICY_DENIED");
  EXPECT_NE(user.status().message().find(rule), absl::string_view::npos) << user.status();
}

TEST(OwnerPolicyTest, TheOwnerAndRootMayStartAndNobodyElse) {
  const OwnerPolicy policy(kAnn, {kAnn}, false);
  EXPECT_EQ(*policy.CheckStart(Identity::Local(1000), Spec()), "ann");
  EXPECT_EQ(*policy.CheckStart(Identity::Local(0), Spec()), "ann");
  for (const Identity& stranger : {Identity::Local(1001), Identity::Anonymous("127.0.0.1")}) {
    ExpectDenied(policy.CheckStart(stranger, Spec()), "rule \"owner\"");
  }
  EXPECT_FALSE(policy.Admits(1001));
}

TEST(OwnerPolicyTest, AnonymousCallersMayStartOnlyWhereAskedForAndOnlyAsTheDaemon) {
  const Identity by_api = Identity::Anonymous("127.0.0.1");
  EXPECT_EQ(*OwnerPolicy(kAnn, {kAnn}, true).CheckStart(by_api, Spec()), "ann");
  EXPECT_FALSE(OwnerPolicy(kAnn, {kAnn}, false).CheckStart(by_api, Spec()).ok());
  // A dialect's listener exists only because the operator asked for it.
  const Identity by_dialect = Identity::Anonymous("127.0.0.1", "framed");
  EXPECT_EQ(*OwnerPolicy(kAnn, {kAnn}, false).CheckStart(by_dialect, Spec()), "ann");
  ExpectDenied(OwnerPolicy(kRoot, {kRoot, kBob}, true).CheckStart(by_api, Spec("bob")), "owner");
}

TEST(OwnerPolicyTest, RootRunsCommandsAsWhomTheNodeAllowsAndNobodyElse) {
  const OwnerPolicy policy(kRoot, {kRoot, kAnn, kBob}, false);
  EXPECT_EQ(*policy.CheckStart(Identity::Local(0), Spec()), "root");
  EXPECT_EQ(*policy.CheckStart(Identity::Local(0), Spec("bob")), "bob");
  ExpectDenied(policy.CheckStart(Identity::Local(0), Spec("carl")), "root, ann, bob");
  // A node whose list leaves root out runs nothing as root.
  const OwnerPolicy careful(kRoot, {kAnn}, false);
  ExpectDenied(careful.CheckStart(Identity::Local(0), Spec()), "rule \"run_as\"");
  EXPECT_EQ(*careful.CheckStart(Identity::Local(0), Spec("ann")), "ann");
}

TEST(OwnerPolicyTest, ALocalUserOfTheListRunsCommandsAsThemselvesOnly) {
  const OwnerPolicy policy(kRoot, {kRoot, kAnn, kBob}, false);
  EXPECT_TRUE(policy.Admits(1001));
  EXPECT_EQ(*policy.CheckStart(Identity::Local(1001), Spec()), "bob");
  EXPECT_EQ(*policy.CheckStart(Identity::Local(1001), Spec("bob")), "bob");
  ExpectDenied(policy.CheckStart(Identity::Local(1001), Spec("ann")), "rule \"owner\"");
  ExpectDenied(policy.CheckStart(Identity::Local(1001), Spec("root")), "rule \"owner\"");
  EXPECT_FALSE(policy.MayAccess(Identity::Local(1001), Identity::Local(1000)));
  EXPECT_TRUE(policy.MayAccess(Identity::Local(0), Identity::Local(1000)));
}

TEST(OwnerPolicyTest, TheNodeItselfIsTheBusinessOfItsUserAndRoot) {
  const OwnerPolicy policy(kAnn, {kAnn, kBob}, true);
  for (const uint32_t uid : {1000U, 0U}) {
    EXPECT_TRUE(policy.CheckAdmin(Identity::Local(uid), "drain").ok());
  }
  for (const Identity& other : {Identity::Local(1001), Identity::Anonymous("127.0.0.1"),
                                Identity::SharedSecret("gate", "127.0.0.1", "framed")}) {
    const absl::Status denied = policy.CheckAdmin(other, "drain");
    ExpectDenied(denied, "rule \"operator\"");
    ExpectDenied(denied, other.name + " may not drain the node");
  }
}

TEST(OwnerPolicyTest, FilesAreUsedAsThoseWhoCommandsMayRunAs) {
  const OwnerPolicy policy(kRoot, {kRoot, kAnn}, false);
  FileRequest request;
  EXPECT_EQ(*policy.CheckFile(Identity::Local(0), request), "root");
  EXPECT_EQ(*policy.CheckFile(Identity::Local(1000), request), "ann");
  ExpectDenied(policy.CheckFile(Identity::Local(1001), request), "rule \"owner\"");
  request.run_as = "ann";
  EXPECT_EQ(*policy.CheckFile(Identity::Local(0), request), "ann");
  request.run_as = "root";
  ExpectDenied(policy.CheckFile(Identity::Local(1000), request), "rule \"owner\"");
  request.run_as = "bob";
  ExpectDenied(policy.CheckFile(Identity::Local(0), request), "rule \"run_as\"");
}

}  // namespace
}  // namespace nacre
