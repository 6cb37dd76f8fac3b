#include "keeper/users.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

namespace nacre::keeper {
namespace {

TEST(UsersTest, WithoutAListOnlyThisProcessesUserIsAllowed) {
  const auto users = Users::Load({});
  ASSERT_TRUE(users.ok()) << users.status();
  EXPECT_EQ(users->own().uid, getuid());
  EXPECT_EQ(users->Find("")->uid, getuid());
  EXPECT_EQ(users->Find(users->own().name)->uid, getuid());
  EXPECT_TRUE(absl::IsPermissionDenied(users->Find("daemon").status()));
  EXPECT_TRUE(absl::IsPermissionDenied(users->Find("no such user").status()));
}

TEST(UsersTest, AListIsAllThereIs) {
  const auto users = Users::Load({"daemon"});
  if (getuid() != 0) {
    EXPECT_TRUE(absl::IsInvalidArgument(users.status()));
    return;
  }
  ASSERT_TRUE(users.ok()) << users.status();
  EXPECT_EQ(users->Find("daemon")->name, "daemon");
  EXPECT_TRUE(absl::IsPermissionDenied(users->Find("").status()));
  EXPECT_TRUE(absl::IsPermissionDenied(users->Find("root").status()));
}

TEST(UsersTest, WhoDoesNotExistIsLeftOut) {
  const auto users = Users::Load({"no such user"});
  ASSERT_TRUE(users.ok()) << users.status();
  EXPECT_TRUE(users->allowed().empty());
  EXPECT_TRUE(absl::IsNotFound(User::Named("no such user").status()));
}

TEST(UsersTest, AUserHasAllTheirGroups) {
  const auto user = User::Current();
  ASSERT_TRUE(user.ok());
  EXPECT_NE(std::find(user->groups.begin(), user->groups.end(), user->gid), user->groups.end());
}

}  // namespace
}  // namespace nacre::keeper
