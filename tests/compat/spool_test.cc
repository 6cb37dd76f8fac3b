#include "compat/spool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/temp_dir.h"

namespace nacre::compat {
namespace {

class SpoolTest : public ::testing::Test {
 protected:
  std::shared_ptr<Spool> Open(uint64_t disk_bytes) {
    std::filesystem::create_directory(directory_);
    return Spool::In(UniqueFd(open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
                     disk_bytes);
  }

  const TempDir dir_;
  const std::string directory_ = dir_.path() + "/spool";
};

TEST_F(SpoolTest, RepliesShareTheDiskAndGiveItBack) {
  const auto spool = Open(100);
  auto first = spool->NewLease();
  EXPECT_TRUE(first.TakeDisk(60));
  {
    auto second = spool->NewLease();
    EXPECT_FALSE(second.TakeDisk(41));
    EXPECT_TRUE(second.TakeDisk(40));
    EXPECT_FALSE(first.TakeDisk(1));
  }
  EXPECT_TRUE(first.TakeDisk(40));
  first.Clear();
  EXPECT_TRUE(spool->NewLease().TakeDisk(100));
}

TEST_F(SpoolTest, OneReplyHasLittleMemoryAndAllHaveABound) {
  const auto spool = Open(0);
  std::vector<Spool::Lease> leases;
  size_t bytes = 0;
  for (int i = 0; i < 1000; ++i) {
    leases.push_back(spool->NewLease());
    EXPECT_FALSE(leases.back().TakeMemory(64 * 1024 + 1));
    if (leases.back().TakeMemory(64 * 1024)) bytes += 64 * 1024;
  }
  EXPECT_EQ(bytes, 16U * 1024 * 1024);
  leases.clear();
  EXPECT_TRUE(spool->NewLease().TakeMemory(1));
}

TEST_F(SpoolTest, AFileHasNoName) {
  const auto spool = Open(0);
  const auto file = spool->NewFile();
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(write(file->get(), "x", 1), 1);
  EXPECT_TRUE(std::filesystem::is_empty(directory_));
}

}  // namespace
}  // namespace nacre::compat
