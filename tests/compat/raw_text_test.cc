#include "compat/raw_text.h"

#include <gtest/gtest.h>

#include <string>

namespace nacre::compat {
namespace {

using Kind = Decoded::Kind;

constexpr size_t kMax = 65536;

TEST(RawTextTest, ShortTextIsCompleteAtOnceAndLongTextAfterSilence) {
  EXPECT_EQ(DecodeRawText(std::string(535, 'x'), kMax, Arrival::kOpen).kind, Kind::kCommand);
  for (const size_t size : {536, 537, 1448, 4096, 65536}) {
    const std::string text(size, 'x');
    EXPECT_EQ(DecodeRawText(text, kMax, Arrival::kOpen).kind, Kind::kAwaitsSilence);
    EXPECT_EQ(DecodeRawText(text, kMax, Arrival::kSilent).kind, Kind::kCommand);
    EXPECT_EQ(DecodeRawText(text, kMax, Arrival::kEnded).kind, Kind::kCommand);
  }
}

TEST(RawTextTest, TooLongIsRefusedBeforeTheSilence) {
  EXPECT_EQ(DecodeRawText(std::string(kMax, 'x') + "\r\n", kMax, Arrival::kSilent).kind,
            Kind::kCommand);
  EXPECT_EQ(DecodeRawText(std::string(kMax + 1, 'x'), kMax, Arrival::kOpen).kind, Kind::kRefused);
  EXPECT_EQ(DecodeRawText(std::string(70000, 'x'), kMax, Arrival::kOpen).kind, Kind::kRefused);
}

TEST(RawTextTest, OneLineEndIsStripped) {
  const std::pair<std::string, std::string> cases[] = {
      {"ls", "ls"},       {"ls\n", "ls"},     {"ls\r\n", "ls"}, {"ls\r", "ls"},
      {"ls\n\n", "ls\n"}, {"a\nb\n", "a\nb"}, {"\n", ""},       {"\tls ", "\tls "}};
  for (const auto& [bytes, text] : cases) {
    const Decoded decoded = DecodeRawText(bytes, kMax, Arrival::kOpen);
    EXPECT_EQ(decoded.kind, Kind::kCommand);
    EXPECT_EQ(decoded.text, text);
    EXPECT_EQ(decoded.consumed, bytes.size());
  }
}

TEST(RawTextTest, ControlCharactersAreRefusedAndOtherBytesPass) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text = std::string("echo ") + static_cast<char>(byte) + " x";
    const bool white = byte == '\t' || byte == '\r' || byte == '\n';
    const bool refused = (byte < 0x20 && !white) || byte == 0x7f;
    EXPECT_EQ(DecodeRawText(text, kMax, Arrival::kOpen).kind,
              refused ? Kind::kRefused : Kind::kCommand)
        << byte;
  }
}

TEST(RawTextTest, AnHttpRequestIsToldByItsFirstLine) {
  for (const char* text : {"GET / HTTP/1.1", "GET / HTTP/1.1\r\n", "get /x HTTP/1.0\nls",
                           "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "\r\nGET / HTTP/1.1",
                           "GET  / HTTP/1.1", "GET\t/ HTTP/1.1"}) {
    EXPECT_EQ(DecodeRawText(text, kMax, Arrival::kOpen).kind, Kind::kForeign) << text;
  }
  for (const char* text : {"echo GET / HTTP/1.1", "ls\nGET / HTTP/1.1", "GET /", "\r\n"}) {
    EXPECT_EQ(DecodeRawText(text, kMax, Arrival::kOpen).kind, Kind::kCommand) << text;
  }
}

TEST(RawTextTest, ALongRequestLineIsSeenWhole) {
  const std::string request = "POST /" + std::string(2000, 'a') + " HTTP/1.1\r\n\r\ntouch /tmp/x";
  EXPECT_EQ(DecodeRawText(request.substr(0, 1448), kMax, Arrival::kOpen).kind,
            Kind::kAwaitsSilence);
  EXPECT_EQ(DecodeRawText(request, kMax, Arrival::kSilent).kind, Kind::kForeign);
}

}  // namespace
}  // namespace nacre::compat
