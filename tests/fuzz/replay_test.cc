#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/keeper_world.h"

namespace nacre::keeper {
namespace {

std::vector<std::filesystem::path> Corpus(const std::string& target) {
  std::vector<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(NACRE_CORPUS "/" + target)) {
    files.push_back(file.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string Read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class KeeperMessagesTest : public ::testing::TestWithParam<std::filesystem::path> {};

// A rule that is broken ends the program, and its message says which.
TEST_P(KeeperMessagesTest, NoRuleIsBroken) { PlayScript(Read(GetParam())); }

INSTANTIATE_TEST_SUITE_P(Corpus, KeeperMessagesTest, ::testing::ValuesIn(Corpus("keeper_messages")),
                         [](const auto& one) { return one.param.filename().string(); });

TEST(KeeperWorldTest, TheCorpusGetsWhereItIsMeantTo) {
  Played all;
  for (const std::filesystem::path& path : Corpus("keeper_messages")) {
    const Played one = PlayScript(Read(path));
    EXPECT_GT(one.acts, 0) << path;
    all.fronts = std::max(all.fronts, one.fronts);
    all.commands = std::max(all.commands, one.commands);
    all.ended += one.ended;
    all.archived += one.archived;
  }
  EXPECT_GE(all.fronts, 4);    // upgraded
  EXPECT_GE(all.commands, 4);  // more than there are lanes
  EXPECT_GE(all.ended, 20);
  EXPECT_GE(all.archived, 1);
}

TEST(KeeperWorldTest, AnythingIsAScript) {
  PlayScript("");
  PlayScript("\0\0\0\xff\xff");
  std::string bytes;
  for (int i = 0; i < 5000; ++i) bytes.push_back(static_cast<char>(i * 7919 >> 3));
  PlayScript(bytes);
}

}  // namespace
}  // namespace nacre::keeper
