#include "keeper/node_id.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace nacre::keeper {
namespace {

TEST(NodeId, IsMadeOnceAndReadFromThenOn) {
  const TempDir dir, other;
  const auto id = NodeId(dir.path());
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(id->size(), 32U);
  EXPECT_EQ(id->find_first_not_of("0123456789abcdef"), std::string::npos) << *id;
  EXPECT_EQ(*NodeId(dir.path()), *id);
  EXPECT_NE(*NodeId(other.path()), *id);
  struct stat info;
  ASSERT_EQ(stat((dir.path() + "/node_id").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
}

TEST(NodeId, OneThatWasCutOffWhileItWasMadeIsMadeAnew) {
  const TempDir dir;
  std::ofstream(dir.path() + "/node_id.new") << "0123";
  EXPECT_EQ(NodeId(dir.path())->size(), 32U);
  EXPECT_FALSE(std::filesystem::exists(dir.path() + "/node_id.new"));
}

TEST(NodeId, SomethingElseIsRefusedAndLeftAlone) {
  const TempDir dir;
  const std::string path = dir.path() + "/node_id";
  for (const std::string& text :
       {std::string(), std::string(31, '0'), std::string(33, '0'), std::string(32, 'A')}) {
    std::ofstream(path) << text;
    const absl::Status status = NodeId(dir.path()).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_EQ(std::filesystem::file_size(path), text.size());
  }
  std::filesystem::remove(path);
  std::filesystem::create_symlink("/etc/hostname", path);
  EXPECT_FALSE(NodeId(dir.path()).ok());
}

}  // namespace
}  // namespace nacre::keeper
