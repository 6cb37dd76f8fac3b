#include "files/removal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/files/files_fixture.h"

namespace nacre::files {
namespace {

constexpr int64_t kMinute = 60'000'000'000;

class RemovalTest : public FilesTest {
 protected:
  // Until nothing is left, as a front asks.
  Removal RemoveAll(const std::string& name, const RemovalLimits& limits, int* steps = nullptr) {
    Removal all;
    for (;;) {
      const Removal step = files::Remove(*LocatePath(Beneath(name)), /*recursive=*/true, limits);
      EXPECT_LE(step.removed, limits.files);
      all.removed += step.removed;
      all.outcome = step.outcome;
      if (steps != nullptr) ++*steps;
      if (!step.more || !step.outcome.ok()) return all;
    }
  }
};

TEST_F(RemovalTest, OneFileOrEmptyDirectoryGoes) {
  Write("file", "");
  std::filesystem::create_directory(At("d"));
  std::filesystem::create_directory(At("full"));
  Write("full/file", "");
  symlink("full", At("link").c_str());
  EXPECT_EQ(Remove(PathTo("file"), false).reply.removed(), 1u);
  EXPECT_EQ(Remove(PathTo("d"), false).reply.removed(), 1u);
  EXPECT_EQ(Remove(PathTo("link"), true).reply.removed(), 1u);
  EXPECT_EQ(Remove(PathTo("full"), false).reply.error(), static_cast<uint32_t>(ENOTEMPTY));
  EXPECT_EQ(Remove(PathTo("none"), true).reply.error(), static_cast<uint32_t>(ENOENT));
  EXPECT_EQ(Names(), std::set<std::string>{"full"});
  EXPECT_EQ(Names("full"), std::set<std::string>{"file"});
}

TEST_F(RemovalTest, ATreeGoesAndWhatItsLinksLeadToStays) {
  std::filesystem::create_directories(At("outside/d"));
  Write("outside/d/file", "stays");
  std::filesystem::create_directories(At("tree/a/b/c"));
  std::filesystem::create_directories(At("tree/e"));
  Write("tree/a/b/file", "");
  ASSERT_EQ(mkfifo(At("tree/e/fifo").c_str(), 0600), 0);
  symlink("../outside", At("tree/link").c_str());
  symlink(At("outside/d").c_str(), At("tree/a/b/c/link").c_str());
  const Removal all = RemoveAll("tree", {});
  EXPECT_TRUE(all.outcome.ok());
  EXPECT_EQ(all.removed, 9u);
  EXPECT_EQ(Names(), std::set<std::string>{"outside"});
  EXPECT_EQ(Read("outside/d/file"), "stays");
}

TEST_F(RemovalTest, ADirectoryThatIsSwappedForALinkMeanwhileIsNotFollowed) {
  std::filesystem::create_directory(At("outside"));
  for (int i = 0; i < 100; ++i) Write(absl::StrCat("outside/", i), "stays");
  for (int round = 0; round < 100; ++round) {
    std::filesystem::create_directories(At("tree/in"));
    for (int i = 0; i < 20; ++i) Write(absl::StrCat("tree/in/", i), "");
    symlink(At("outside").c_str(), At("link").c_str());
    std::atomic<bool> done = false;
    std::thread swapper([&] {
      while (!done) {
        renameat2(AT_FDCWD, At("link").c_str(), AT_FDCWD, At("tree/in").c_str(), RENAME_EXCHANGE);
      }
    });
    Remove(PathTo("tree"), true);
    done = true;
    swapper.join();
    std::filesystem::remove_all(At("tree"));
    std::filesystem::remove_all(At("link"));
  }
  EXPECT_EQ(Names("outside").size(), 100u);
}

TEST_F(RemovalTest, ALargeTreeGoesInSteps) {
  std::filesystem::create_directories(At("tree/d"));
  for (int i = 0; i < 250; ++i) Write(absl::StrCat(i % 2 == 0 ? "tree/" : "tree/d/", i), "");
  int steps = 0;
  const Removal all = RemoveAll("tree", {.files = 100, .time_ns = kMinute}, &steps);
  EXPECT_TRUE(all.outcome.ok());
  EXPECT_EQ(all.removed, 252u);
  EXPECT_EQ(steps, 3);
  EXPECT_TRUE(Names().empty());
}

TEST_F(RemovalTest, EachStepComesFurtherHoweverLittleTimeItHas) {
  std::filesystem::create_directories(At("tree/a/b/c"));
  Write("tree/a/file", "");
  const Removal all = RemoveAll("tree", {.time_ns = 0});
  EXPECT_TRUE(all.outcome.ok());
  EXPECT_EQ(all.removed, 5u);
  EXPECT_TRUE(Names().empty());
}

TEST_F(RemovalTest, TheDepthOfATreeIsNotBounded) {
  constexpr int kDepth = 4000;
  std::filesystem::create_directory(At("tree"));
  UniqueFd at(open(At("tree").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (int i = 0; i < kDepth; ++i) {
    ASSERT_EQ(mkdirat(at.get(), "sub", 0755), 0);
    const UniqueFd file(openat(at.get(), "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    at.reset(openat(at.get(), "sub", O_PATH | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(at.valid());
  }
  at.reset();
  const Removal all = RemoveAll("tree", {.depth = 50});
  EXPECT_TRUE(all.outcome.ok()) << all.outcome.error;
  EXPECT_EQ(all.removed, 2u * kDepth + 1);
  EXPECT_TRUE(Names().empty());
}

TEST_F(RemovalTest, TwoWhoRemoveOneTreeDoNotHarmEachOther) {
  for (int i = 0; i < 300; ++i) {
    std::filesystem::create_directories(At(absl::StrCat("tree/", i % 7, "/", i)));
    Write(absl::StrCat("tree/", i % 7, "/", i, "/file"), "");
  }
  std::thread other([&] {
    std::error_code error;
    std::filesystem::remove_all(At("tree"), error);
  });
  Answer answer;
  do {
    answer = Remove(PathTo("tree"), true);
  } while (answer.reply.more());
  other.join();
  EXPECT_TRUE(answer.reply.error() == 0 || answer.reply.error() == ENOENT);
  EXPECT_EQ(Remove(PathTo("tree"), true).reply.error(), static_cast<uint32_t>(ENOENT));
}

}  // namespace
}  // namespace nacre::files
