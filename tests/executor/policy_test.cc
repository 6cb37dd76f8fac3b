#include "executor/policy.h"

#include <gtest/gtest.h>

#include "executor/errors.h"

namespace nacre {
namespace {

CommandSpec Spec() {
  CommandParts parts;
  parts.argv = {"true"};
  return *CommandSpec::Create(parts);
}

TEST(OwnerPolicyTest, TheOwnerAndRootMayStartAndNobodyElse) {
  const OwnerPolicy policy(1000, false);
  EXPECT_TRUE(policy.CheckStart(Identity::Local(1000), Spec()).ok());
  EXPECT_TRUE(policy.CheckStart(Identity::Local(0), Spec()).ok());
  for (const Identity& stranger : {Identity::Local(1001), Identity::Anonymous("127.0.0.1")}) {
    const absl::Status denial = policy.CheckStart(stranger, Spec());
    EXPECT_TRUE(absl::IsPermissionDenied(denial));
    EXPECT_EQ(ErrorReason(denial), "POLICY_DENIED");
    EXPECT_NE(denial.message().find("rule \"owner\""), absl::string_view::npos);
  }
}

TEST(OwnerPolicyTest, AnonymousCallersMayStartOnlyWhereAskedFor) {
  EXPECT_TRUE(OwnerPolicy(0, true).CheckStart(Identity::Anonymous("127.0.0.1"), Spec()).ok());
}

}  // namespace
}  // namespace nacre
