#include "client/cli/tail_buffer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nacre::cli {
namespace {

using client::OutputStream;

std::string Tail(size_t lines, const std::vector<std::string>& pieces) {
  TailBuffer buffer(lines);
  for (const std::string& piece : pieces) buffer.Add(OutputStream::kStdout, piece);
  std::string text;
  for (const TailBuffer::Piece& piece : buffer.Take()) text += piece.data;
  return text;
}

TEST(TailBuffer, KeepsTheLastLinesHoweverTheyCame) {
  EXPECT_EQ(Tail(2, {"1\n2\n3\n"}), "2\n3\n");
  EXPECT_EQ(Tail(2, {"1", "\n2", "\n3\n"}), "2\n3\n");
  EXPECT_EQ(Tail(2, {"1\n", "2\n", "3\n"}), "2\n3\n");
  EXPECT_EQ(Tail(1, {"1\n2", "2", "2\n"}), "222\n");
}

TEST(TailBuffer, AnUnfinishedLineCounts) {
  EXPECT_EQ(Tail(2, {"1\n2\n3"}), "2\n3");
  EXPECT_EQ(Tail(1, {"1\n2", "3"}), "23");
}

TEST(TailBuffer, FewerLinesAreKeptWhole) {
  EXPECT_EQ(Tail(5, {"1\n2\n"}), "1\n2\n");
  EXPECT_EQ(Tail(5, {}), "");
}

TEST(TailBuffer, NoLinesAreNothing) {
  EXPECT_EQ(Tail(0, {"1\n", "2"}), "");
  EXPECT_EQ(Tail(0, {}), "");
}

TEST(TailBuffer, KeepsStreamsApartInOneOrder) {
  TailBuffer buffer(2);
  buffer.Add(OutputStream::kStdout, "1\n");
  buffer.Add(OutputStream::kStderr, "2\n");
  buffer.Add(OutputStream::kStdout, "3\n");
  const auto pieces = buffer.Take();
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces[0].stream, OutputStream::kStderr);
  EXPECT_EQ(pieces[1].data, "3\n");
}

}  // namespace
}  // namespace nacre::cli
