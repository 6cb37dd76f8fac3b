#include "keeper/listeners.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace nacre::keeper {
namespace {

Address UnixAddress(const TempDir& dir) { return *Address::Parse("unix:" + dir.path() + "/d/s"); }

TEST(ListenersTest, AUnixSocketIsItsOwnersAloneAndGoesWithItsListener) {
  const TempDir dir;
  {
    auto listener = Listener::Open(UnixAddress(dir));
    ASSERT_TRUE(listener.ok()) << listener.status();
    struct stat info;
    ASSERT_EQ(stat((dir.path() + "/d/s").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    ASSERT_EQ(stat((dir.path() + "/d").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700u);
  }
  EXPECT_FALSE(std::filesystem::exists(dir.path() + "/d/s"));
}

TEST(ListenersTest, AnAddressInUseIsRefused) {
  const TempDir dir;
  auto first = Listener::Open(UnixAddress(dir));
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(absl::IsUnavailable(Listener::Open(UnixAddress(dir)).status()));
  auto tcp = Listener::Open(*Address::Parse("127.0.0.1:0"));
  ASSERT_TRUE(tcp.ok());
  EXPECT_NE(tcp->address().port, 0);
  EXPECT_TRUE(absl::IsUnavailable(Listener::Open(tcp->address()).status()));
}

TEST(ListenersTest, ADeadDaemonsSocketIsReplacedAndOtherFilesAreNot) {
  const TempDir dir;
  {
    auto listener = Listener::Open(UnixAddress(dir));
    std::filesystem::create_hard_link(dir.path() + "/d/s", dir.path() + "/d/dead");
  }
  const Address dead = *Address::Parse("unix:" + dir.path() + "/d/dead");
  EXPECT_TRUE(Listener::Open(dead).ok());
  std::ofstream(dir.path() + "/d/file") << "precious";
  const Address file = *Address::Parse("unix:" + dir.path() + "/d/file");
  EXPECT_TRUE(absl::IsAlreadyExists(Listener::Open(file).status()));
  EXPECT_TRUE(std::filesystem::exists(dir.path() + "/d/file"));
}

TEST(ListenersTest, ADirectoryThatOthersCanWriteIsNoPlaceForASocket) {
  const TempDir dir;
  const std::string open = dir.path() + "/open";
  std::filesystem::create_directory(open);
  std::filesystem::permissions(open, std::filesystem::perms::all);
  const Address address = *Address::Parse("unix:" + open + "/s");
  EXPECT_TRUE(absl::IsPermissionDenied(Listener::Open(address).status()));
  // As /tmp is: nobody can remove what another one has put there.
  std::filesystem::permissions(open,
                               std::filesystem::perms::all | std::filesystem::perms::sticky_bit);
  EXPECT_TRUE(Listener::Open(address).ok());
}

TEST(ListenersTest, AGroupCanBeGivenASocketAndLosesItAgain) {
  const TempDir dir;
  auto listener = Listener::Open(UnixAddress(dir));
  ASSERT_TRUE(listener.ok());
  const auto mode = [&](const char* name) {
    struct stat info;
    EXPECT_EQ(stat((dir.path() + name).c_str(), &info), 0);
    return info.st_mode & 0777;
  };
  ASSERT_TRUE(listener->ShareWith(getegid()).ok());
  EXPECT_EQ(mode("/d/s"), 0660u);
  EXPECT_EQ(mode("/d"), 0710u);
  ASSERT_TRUE(listener->ShareWith(std::nullopt).ok());
  EXPECT_EQ(mode("/d/s"), 0600u);
  EXPECT_EQ(mode("/d"), 0700u);
}

TEST(ListenersTest, AStateDirectoryHasOneHolder) {
  const TempDir dir;
  auto lock = LockDirectory(dir.path() + "/a/state");
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_TRUE(absl::IsUnavailable(LockDirectory(dir.path() + "/a/state").status()));
  lock->reset();
  EXPECT_TRUE(LockDirectory(dir.path() + "/a/state").ok());
}

}  // namespace
}  // namespace nacre::keeper
