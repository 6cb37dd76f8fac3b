#include "compat/transcoder.h"

#include <gtest/gtest.h>

namespace nacre::compat {
namespace {

constexpr char kUtf8[] = "a你好世界é!";
constexpr char kGbk[] = "a\xc4\xe3\xba\xc3\xca\xc0\xbd\xe7\xa8\xa6!";

std::string Translate(const char* from, const char* to, std::string_view bytes, size_t piece,
                      uint64_t* replaced = nullptr) {
  auto transcoder = Transcoder::Create(from, to);
  EXPECT_TRUE(transcoder.ok()) << transcoder.status();
  std::string out;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    transcoder->Append(bytes.substr(0, piece), &out);
  }
  transcoder->Finish(&out);
  if (replaced != nullptr) *replaced = transcoder->replaced();
  return out;
}

TEST(TranscoderTest, ChineseGoesBothWaysHoweverItIsCut) {
  for (size_t piece = 1; piece <= sizeof(kUtf8); ++piece) {
    EXPECT_EQ(Translate("UTF-8", "GBK", kUtf8, piece), kGbk);
    EXPECT_EQ(Translate("GBK", "UTF-8", kGbk, piece), kUtf8);
  }
}

TEST(TranscoderTest, ATrailByteThatLooksLikeABackslashStaysInItsCharacter) {
  EXPECT_EQ(Translate("GBK", "UTF-8", "\x81\x5c", 1), "乗");
  EXPECT_EQ(Translate("UTF-8", "GBK", "乗", 1), "\x81\x5c");
}

TEST(TranscoderTest, WhatIsNoCharacterBecomesAQuestionMark) {
  uint64_t replaced = 0;
  EXPECT_EQ(Translate("UTF-8", "GBK",
                      "a\xff\xfe"
                      "b",
                      1, &replaced),
            "a??b");
  EXPECT_EQ(replaced, 2U);
  EXPECT_EQ(Translate("UTF-8", "GBK", "a\xe4\xbd", 1, &replaced), "a??");  // cut off
  EXPECT_EQ(Translate("UTF-8", "GBK", "a😀b", 2, &replaced), "a?b");        // not in GBK
  EXPECT_EQ(Translate("GBK", "UTF-8", "a\x81", 1, &replaced), "a?");
  EXPECT_EQ(replaced, 1U);
}

TEST(TranscoderTest, TheTranslationIsNeverLongerThanWhatCame) {
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes += static_cast<char>(i * 7919 >> 3);
  EXPECT_LE(Translate("UTF-8", "GBK", bytes, 1000).size(), bytes.size());
}

TEST(TranscoderTest, AnEncodingThatTheSystemLacksIsSaidSo) {
  EXPECT_FALSE(Transcoder::Create("UTF-8", "klingon").ok());
}

}  // namespace
}  // namespace nacre::compat
