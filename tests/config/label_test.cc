#include "config/label.h"

#include <gtest/gtest.h>

#include <string>

namespace nacre {
namespace {

std::string Complaint(std::string_view name, std::string_view text) {
  const absl::Status status = CheckLabel(name, text);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  return std::string(status.message());
}

TEST(Label, NamesAndTextsMayBeThis) {
  for (const std::string& name : {std::string("a"), std::string("0"), std::string("Zone"),
                                  std::string("example.com/gpu_type-2"), std::string(63, 'x')}) {
    EXPECT_TRUE(CheckLabel(name, "north").ok()) << name;
  }
  for (const std::string& text :
       {std::string(), std::string("a = b, \"c\""), std::string("ä€😀"), std::string("\xED\x9F\xBF"),
        std::string("\xEE\x80\x80"), std::string("\xF4\x8F\xBF\xBF"), std::string("\xC2\xA0"),
        std::string(256, '~')}) {
    EXPECT_TRUE(CheckLabel("zone", text).ok()) << text;
  }
}

TEST(Label, OtherNamesAreRefused) {
  for (const std::string& name :
       {std::string(), std::string("-a"), std::string(".a"), std::string("_a"), std::string("/a"),
        std::string("a b"), std::string("a=b"), std::string("ä"), std::string("a\n"),
        std::string("a\0", 2), std::string(64, 'x')}) {
    EXPECT_NE(Complaint(name, "north").find("a name is 1 to 63 letters"), std::string::npos)
        << name;
  }
  EXPECT_EQ(Complaint("\x1b[2J", "").find('\x1b'), std::string::npos);
}

TEST(Label, TextsThatAreTooLongOrActOnTerminalsOrAreNoUtf8AreRefused) {
  EXPECT_EQ(Complaint("zone", std::string(257, 'x')), "label \"zone\" has more than 256 bytes");
  for (const std::string& text :
       {std::string("a\n"), std::string("\x1b[2J"), std::string("a\0b", 3), std::string("\x7f"),
        std::string("\xC2\x80"), std::string("\xC2\x9B"), std::string("\x80"),
        std::string("\xC0\xAF"), std::string("\xC1\xBF"), std::string("\xC3"), std::string("\xC3("),
        std::string("\xE0\x80\x80"), std::string("\xE2\x82"), std::string("\xED\xA0\x80"),
        std::string("\xF0\x80\x80\x80"), std::string("\xF4\x90\x80\x80"),
        std::string("\xF5\x80\x80\x80"), std::string("\xFF")}) {
    EXPECT_EQ(Complaint("zone", text), "label \"zone\" is not UTF-8, or holds a control character")
        << testing::PrintToString(text);
  }
}

TEST(Label, TheFirstEqualsSignParts) {
  const auto label = ParseLabel("zone=a=b");
  ASSERT_TRUE(label.ok()) << label.status();
  EXPECT_EQ(*label, (std::pair<std::string, std::string>("zone", "a=b")));
  EXPECT_EQ(ParseLabel("zone").status().message(), "label \"zone\" lacks its text: NAME=TEXT");
}

TEST(Label, ANameComesOnceAndThereAre64AtMost) {
  EXPECT_EQ(ParseLabels({"a=1", "b=2", "a=3"}).status().message(), "label \"a\" is given twice");
  std::vector<std::string> labels;
  for (size_t i = 0; i < kMaxLabels; ++i) labels.push_back("l" + std::to_string(i) + "=");
  EXPECT_EQ(ParseLabels(labels)->size(), kMaxLabels);
  labels.emplace_back("more=");
  EXPECT_EQ(ParseLabels(labels).status().message(), "65 labels: a node has at most 64");
}

}  // namespace
}  // namespace nacre
