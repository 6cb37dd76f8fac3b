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
  const Identity by_api = Identity::Anonymous("127.0.0.1");
  EXPECT_TRUE(OwnerPolicy(0, true).CheckStart(by_api, Spec()).ok());
  EXPECT_FALSE(OwnerPolicy(0, false).CheckStart(by_api, Spec()).ok());
  // A dialect's listener exists only because the operator asked for it.
  const Identity by_dialect = Identity::Anonymous("127.0.0.1", "framed");
  EXPECT_TRUE(OwnerPolicy(0, false).CheckStart(by_dialect, Spec()).ok());
}

}  // namespace
}  // namespace nacre
