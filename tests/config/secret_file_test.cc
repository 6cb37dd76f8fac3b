#include "config/secret_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/support/temp_dir.h"

namespace nacre {
namespace {

class SecretFileTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& bytes, mode_t mode = 0600) {
    std::string path = dir_.path() + "/ops.key";
    std::ofstream(path) << bytes;
    chmod(path.c_str(), mode);
    return path;
  }

  const TempDir dir_;
};

TEST_F(SecretFileTest, ASecretIsNamedAfterItsFileAndLosesOneLineEnd) {
  const auto secret = Secret::Load(Write("correct horse battery\n\n"));
  ASSERT_TRUE(secret.ok()) << secret.status();
  EXPECT_EQ(secret->name, "ops");
  EXPECT_EQ(secret->bytes, "correct horse battery\n");
}

TEST_F(SecretFileTest, AFileThatOthersCanReadIsRefused) {
  for (const mode_t mode : {0640, 0604, 0620, 0602}) {
    const auto secret = Secret::Load(Write("correct horse battery", mode));
    EXPECT_TRUE(absl::IsPermissionDenied(secret.status()));
  }
}

TEST_F(SecretFileTest, TooShortTooLongMissingAndNoFileAreRefused) {
  EXPECT_FALSE(Secret::Load(Write("")).ok());
  EXPECT_FALSE(Secret::Load(Write("short\n")).ok());
  EXPECT_FALSE(Secret::Load(Write(std::string(4097, 'x'))).ok());
  EXPECT_TRUE(Secret::Load(Write(std::string(4096, 'x') + "\n")).ok());
  EXPECT_FALSE(Secret::Load(dir_.path() + "/missing").ok());
  EXPECT_FALSE(Secret::Load(dir_.path()).ok());
  EXPECT_FALSE(Secret::Load("/dev/zero").ok());
}

}  // namespace
}  // namespace nacre
