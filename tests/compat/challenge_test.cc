#include "compat/challenge.h"

#include <gtest/gtest.h>

namespace nacre::compat {
namespace {

// RFC 2202, test case 2 of HMAC-MD5.
constexpr char kKey[] = "Jefe";
constexpr char kData[] = "what do ya want for nothing?";
const std::string kDigest("\x75\x0c\x78\x3e\x6a\xb0\xb5\x03\xea\xa8\x6e\x31\x0a\x5d\xb7\x38", 16);

TEST(ChallengeTest, TheRightAnswerIsTheHmacMd5) { EXPECT_TRUE(Proves(kKey, kData, kDigest)); }

TEST(ChallengeTest, AnyOtherAnswerIsWrong) {
  for (size_t i = 0; i < kDigest.size(); ++i) {
    std::string answer = kDigest;
    answer[i] ^= 1;
    EXPECT_FALSE(Proves(kKey, kData, answer));
  }
  EXPECT_FALSE(Proves("jefe", kData, kDigest));
  EXPECT_FALSE(Proves(kKey, "", kDigest));
  EXPECT_FALSE(Proves(kKey, kData, kDigest.substr(0, 15)));
  EXPECT_FALSE(Proves(kKey, kData, kDigest + "x"));
  EXPECT_FALSE(Proves(kKey, kData, ""));
}

TEST(ChallengeTest, NoChallengeComesTwice) {
  const auto first = NewChallenge(), second = NewChallenge();
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->size(), kChallengeBytes);
  EXPECT_NE(*first, *second);
}

}  // namespace
}  // namespace nacre::compat
