#include "compat/framed_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "compat/frame_length.h"

namespace nacre::compat {
namespace {

using Kind = Decoded::Kind;
using Style = CompatListener::RequestStyle;
using namespace std::string_literals;

constexpr size_t kMax = 1000;

std::string Frame(const std::string& command) {
  return PackLength(static_cast<uint32_t>(command.size())) + command;
}

// The first decision about `bytes` on a fresh connection.
Decoded First(const std::string& bytes, Arrival arrival = Arrival::kOpen,
              Style style = Style::kAuto) {
  return FramedDecoder(style, kMax).Decode(bytes, arrival);
}

TEST(FrameLengthTest, FourBytesSignedLittleEndian) {
  EXPECT_EQ(PackLength(10), "\x0a\0\0\0"s);
  EXPECT_EQ(UnpackLength("\x0a\0\0\0"s), 10);
  EXPECT_EQ(UnpackLength("\xff\xff\xff\xff"s), -1);
  EXPECT_EQ(UnpackLength("\0\0\0\x80"s), -2147483648);
  EXPECT_EQ(UnpackLength(PackLength(2147483647)), 2147483647);
}

TEST(FramedDecoderTest, BothStylesAreToldApart) {
  const Decoded framed = First(Frame("echo hello"));
  EXPECT_EQ(framed.kind, Kind::kCommand);
  EXPECT_EQ(framed.text, "echo hello");
  EXPECT_EQ(framed.consumed, 14U);
  const Decoded raw = First("echo hello\r\n");
  EXPECT_EQ(raw.kind, Kind::kCommand);
  EXPECT_EQ(raw.text, "echo hello");
  EXPECT_EQ(raw.consumed, 12U);
}

TEST(FramedDecoderTest, AFrameIsTheSameHoweverItArrives) {
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{9}, size_t{32}, size_t{44}, size_t{255}, size_t{256}, kMax}) {
    const std::string bytes = Frame(std::string(size, 'x'));
    for (size_t split = 1; split < bytes.size(); ++split) {
      FramedDecoder decoder(Style::kAuto, kMax);
      const Decoded part = decoder.Decode(bytes.substr(0, split), Arrival::kOpen);
      // Within 20 ms the rest is there: one byte that could be text has to wait and see.
      EXPECT_TRUE(part.kind == Kind::kIncomplete || part.kind == Kind::kAwaitsSilence);
      const Decoded whole = decoder.Decode(bytes, Arrival::kOpen);
      EXPECT_EQ(whole.kind, Kind::kCommand);
      EXPECT_EQ(whole.consumed, bytes.size());
    }
  }
}

TEST(FramedDecoderTest, NeverRunsPartOfAFrameAfterItsFirstNul) {
  const std::string bytes = Frame("rm -rf /tmp/x");
  for (size_t size = 2; size < bytes.size(); ++size) {
    EXPECT_EQ(First(bytes.substr(0, size), Arrival::kSilent).kind, Kind::kIncomplete);
    EXPECT_EQ(First(bytes.substr(0, size), Arrival::kEnded).kind, Kind::kRefused);
  }
}

TEST(FramedDecoderTest, FramesInOneSegmentComeOneAfterTheOther) {
  FramedDecoder decoder(Style::kAuto, kMax);
  std::string bytes = Frame("one") + Frame("") + Frame("two");
  std::vector<std::string> commands;
  while (!bytes.empty()) {
    const Decoded decoded = decoder.Decode(bytes, Arrival::kOpen);
    ASSERT_EQ(decoded.kind, Kind::kCommand);
    commands.push_back(decoded.text);
    bytes.erase(0, decoded.consumed);
  }
  EXPECT_THAT(commands, testing::ElementsAre("one", "", "two"));
}

TEST(FramedDecoderTest, ImpossibleLengthsAreRefused) {
  for (const std::string& bytes :
       {"\xff\xff\xff\xff"s, "\0\0\0\x80"s, "\xff\xff\xff\x7f"s, "\0\0\0\x0a"s, "\xfe\xff\xff\xff"s,
        PackLength(kMax + 1), "\xff\xff\xff"s, "ls\xff"s}) {
    EXPECT_EQ(First(bytes).kind, Kind::kRefused) << testing::PrintToString(bytes);
    EXPECT_EQ(First(bytes + "touch /tmp/x").kind, Kind::kRefused) << testing::PrintToString(bytes);
  }
}

TEST(FramedDecoderTest, TheBeginningOfANegativeLengthIsNoText) {
  for (const std::string& bytes : {"\xff"s, "\xff\xff"s, "\xfe\xff"s}) {
    EXPECT_EQ(First(bytes, Arrival::kSilent).kind, Kind::kIncomplete);
    EXPECT_EQ(First(bytes, Arrival::kEnded).kind, Kind::kRefused);
  }
}

TEST(FramedDecoderTest, ALengthThatArrivesInPiecesIsWaitedFor) {
  for (const std::string& bytes :
       {"\x0a"s, "\x1f"s, "\0"s, "\x2c\0"s, "\x41\0\0"s, "\xff\x01\x01"s}) {
    EXPECT_EQ(First(bytes).kind, Kind::kIncomplete);
    EXPECT_EQ(First(bytes, Arrival::kSilent).kind, Kind::kIncomplete);
    EXPECT_EQ(First(bytes, Arrival::kEnded).kind, Kind::kRefused);
  }
}

TEST(FramedDecoderTest, TextOfUnderFourBytesIsDecidedBySilence) {
  for (const std::string text : {"w", "ls", "pwd", "ls\n"}) {
    EXPECT_EQ(First(text).kind, text.size() < 4 ? Kind::kAwaitsSilence : Kind::kCommand);
    EXPECT_EQ(First(text, Arrival::kSilent).kind, Kind::kCommand);
    EXPECT_EQ(First(text, Arrival::kEnded).kind, Kind::kCommand);
  }
}

TEST(FramedDecoderTest, TheFirstRequestDecidesForTheConnection) {
  FramedDecoder raw(Style::kAuto, kMax);
  ASSERT_EQ(raw.Decode("echo", Arrival::kOpen).kind, Kind::kCommand);
  EXPECT_EQ(raw.Decode("ls", Arrival::kOpen).kind, Kind::kCommand);
  EXPECT_EQ(raw.Decode(Frame("ls"), Arrival::kOpen).kind, Kind::kRefused);
  FramedDecoder framed(Style::kAuto, kMax);
  ASSERT_EQ(framed.Decode(Frame("ls"), Arrival::kOpen).kind, Kind::kCommand);
  EXPECT_EQ(framed.Decode("echo hello", Arrival::kOpen).kind, Kind::kRefused);
}

TEST(FramedDecoderTest, WhatTheOperatorSaidIsNotGuessed) {
  EXPECT_EQ(First(",", Arrival::kSilent, Style::kFramed).kind, Kind::kIncomplete);
  EXPECT_EQ(First("echo", Arrival::kOpen, Style::kFramed).kind, Kind::kRefused);
  EXPECT_EQ(First("ls", Arrival::kOpen, Style::kRaw).kind, Kind::kCommand);
  EXPECT_EQ(First("\nls", Arrival::kOpen, Style::kRaw).text, "\nls");
  EXPECT_EQ(First(Frame("ls"), Arrival::kOpen, Style::kRaw).kind, Kind::kRefused);
}

TEST(FramedDecoderTest, OtherProtocolsAreRefused) {
  EXPECT_EQ(First("\x16\x03\x01\x02\x01\x01\x01\xfc\x03\x03"s).kind, Kind::kRefused);  // TLS
  EXPECT_EQ(First("\x16\x03\x01\x00\xee\x01\x00\x00\xea\x03"s).kind, Kind::kRefused);
  EXPECT_EQ(First("GET / HTTP/1.1\r\nHost: x\r\n\r\n").kind, Kind::kForeign);
  EXPECT_EQ(First("POST /x HTTP/1.0\r\n\r\ntouch /tmp/x\n").kind, Kind::kForeign);
  EXPECT_EQ(First("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").kind, Kind::kForeign);
}

TEST(FramedDecoderTest, ItAsksForNoMoreThanItCanUse) {
  EXPECT_GT(FramedDecoder(Style::kAuto, kMax).max_bytes(), kMax + kLengthBytes);
  EXPECT_LT(FramedDecoder(Style::kAuto, kMax).max_bytes(), kMax + 64);
}

}  // namespace
}  // namespace nacre::compat
