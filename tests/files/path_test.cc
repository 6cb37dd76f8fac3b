#include "files/path.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "tests/files/files_fixture.h"

namespace nacre::files {
namespace {

class PathTest : public FilesTest {
 protected:
  void SetUp() override {
    Write("secret", "outside");
    std::filesystem::create_directories(At("root/in/deep"));
    Write("root/file", "inside");
    Write("root/in/file", "inside");
  }
  v1::Path InRoot(const std::string& name) const {
    v1::Path path;
    path.set_path(name);
    path.set_root(At("root"));
    return path;
  }
};

TEST_F(PathTest, WhatIsNoPathIsRefused) {
  struct Case {
    std::string path;
    uint32_t error;
  };
  for (const Case& bad : {Case{"", EINVAL}, Case{std::string("a\0b", 3), EINVAL},
                          Case{std::string(4096, 'a'), ENAMETOOLONG}}) {
    v1::Path path;
    path.set_path(bad.path);
    const Answer answer = Stat(path);
    EXPECT_EQ(answer.reply.error(), bad.error);
    EXPECT_EQ(answer.reply.failure(), v1::FAILURE_REQUEST);
  }
  v1::Path path = InRoot("file");
  path.set_root(std::string("/\0", 2));
  EXPECT_EQ(Stat(path).reply.failure(), v1::FAILURE_REQUEST);
  // As long as the kernel takes it.
  path.clear_root();
  path.set_path(std::string(4095, '/'));
  EXPECT_EQ(Stat(path).reply.error(), 0u);
}

TEST_F(PathTest, ARootThatCannotBeEnteredIsSaidToBeSo) {
  v1::Path path;
  path.set_path("file");
  path.set_root(At("none"));
  EXPECT_EQ(Stat(path).reply.error(), static_cast<uint32_t>(ENOENT));
  EXPECT_EQ(Stat(path).reply.failure(), v1::FAILURE_ROOT);
  path.set_root(At("secret"));
  EXPECT_EQ(Stat(path).reply.error(), static_cast<uint32_t>(ENOTDIR));
  EXPECT_EQ(Stat(path).reply.failure(), v1::FAILURE_ROOT);
}

TEST_F(PathTest, APathCountsFromItsRoot) {
  for (const char* name : {"file", "/file", "///file", "in/../file", "./file"}) {
    EXPECT_EQ(ReadFd(OpenRead(InRoot(name)).fd.get()), "inside") << name;
  }
  EXPECT_EQ(Stat(InRoot("/")).reply.entry().inode(), Stat(PathTo("root")).reply.entry().inode());
  EXPECT_EQ(Stat(InRoot("/")).reply.entry().name(), "/");
  EXPECT_EQ(Stat(InRoot("in/")).reply.entry().name(), "in");
  EXPECT_EQ(Stat(InRoot("in/.")).reply.entry().name(), ".");
}

TEST_F(PathTest, NeitherDotsNorLinksLeaveTheRoot) {
  symlink("../secret", At("root/up").c_str());
  symlink(At("secret").c_str(), At("root/absolute").c_str());
  symlink("..", At("root/in/dots").c_str());
  symlink("/", At("root/slash").c_str());
  for (const char* name : {"../secret", "in/../../secret", "/../secret", "up", "absolute",
                           "in/dots/../secret", "slash/etc/passwd", ".."}) {
    const Answer answer = Stat(InRoot(name), /*follow=*/true);
    EXPECT_EQ(answer.reply.failure(), v1::FAILURE_OUTSIDE_ROOT) << name;
    EXPECT_EQ(answer.reply.error(), static_cast<uint32_t>(EXDEV)) << name;
    EXPECT_EQ(OpenRead(InRoot(name)).reply.failure(), v1::FAILURE_OUTSIDE_ROOT) << name;
    EXPECT_FALSE(OpenRead(InRoot(name)).fd.valid()) << name;
  }
  EXPECT_EQ(Stat(InRoot("in/dots"), true).reply.error(), 0u) << "a link that stays inside is fine";
  EXPECT_EQ(Stat(InRoot("up")).reply.entry().link_target(), "../secret") << "not followed";
}

TEST_F(PathTest, NothingIsChangedOutsideTheRoot) {
  symlink("..", At("root/out").c_str());
  EXPECT_EQ(MakeDirectory(InRoot("out/new")).reply.failure(), v1::FAILURE_OUTSIDE_ROOT);
  EXPECT_EQ(MakeDirectory(InRoot("../new/x"), 0755, true).reply.failure(),
            v1::FAILURE_OUTSIDE_ROOT);
  EXPECT_EQ(MakeSymlink(InRoot("out/new"), "x").reply.failure(), v1::FAILURE_OUTSIDE_ROOT);
  EXPECT_EQ(Remove(InRoot("out/secret"), true).reply.failure(), v1::FAILURE_OUTSIDE_ROOT);
  EXPECT_EQ(Move(InRoot("file"), InRoot("../file")).reply.failure(), v1::FAILURE_OUTSIDE_ROOT);
  EXPECT_EQ(Move(InRoot("out/secret"), InRoot("got")).reply.failure(), v1::FAILURE_OUTSIDE_ROOT);
  v1::Request request;
  *request.mutable_open_write()->mutable_path() = InRoot("out/new");
  EXPECT_EQ(Ask(request).reply.failure(), v1::FAILURE_OUTSIDE_ROOT);
  *request.mutable_watch()->mutable_path() = InRoot("out");
  EXPECT_EQ(Ask(request).reply.failure(), v1::FAILURE_OUTSIDE_ROOT);
  *request.mutable_set_attributes()->mutable_path() = InRoot("out/secret");
  request.mutable_set_attributes()->set_mode(0777);
  EXPECT_EQ(Ask(request).reply.failure(), v1::FAILURE_OUTSIDE_ROOT);
  EXPECT_EQ(Names(), (std::set<std::string>{"root", "secret"}));
}

TEST_F(PathTest, ALinkThatIsSwappedInMeanwhileDoesNotLeadOutside) {
  std::filesystem::create_directory(At("outside"));
  Write("outside/file", "outside");
  symlink(At("outside").c_str(), At("root/link").c_str());
  std::atomic<bool> done = false;
  std::thread swapper([&] {
    while (!done) {
      renameat2(AT_FDCWD, At("root/link").c_str(), AT_FDCWD, At("root/in").c_str(),
                RENAME_EXCHANGE);
    }
  });
  int inside = 0;
  for (int i = 0; i < 5000; ++i) {
    const Answer answer = OpenRead(InRoot(i % 2 == 0 ? "in/file" : "in/deep/../file"));
    if (answer.reply.error() == 0) {
      EXPECT_EQ(ReadFd(answer.fd.get()), "inside");
      ++inside;
    }
    MakeDirectory(InRoot("in/made" + std::to_string(i)));
  }
  done = true;
  swapper.join();
  EXPECT_GT(inside, 0);
  EXPECT_EQ(Names("outside"), std::set<std::string>{"file"});
}

TEST_F(PathTest, LinksThatAreNoneAreNotFollowed) {
  const UniqueFd open_root(open("/", O_PATH | O_CLOEXEC));
  v1::Path path;
  path.set_path(ProcPath(open_root.get()) + "/etc");
  EXPECT_EQ(Stat(path, true).reply.error(), static_cast<uint32_t>(ELOOP));
  path.set_path("/proc/self/exe");
  EXPECT_EQ(OpenRead(path).reply.error(), static_cast<uint32_t>(ELOOP));
}

TEST_F(PathTest, AChangeTakesAName) {
  for (const char* name : {".", "..", "/", "in/.", "in/.."}) {
    EXPECT_EQ(Remove(InRoot(name), true).reply.error(), static_cast<uint32_t>(EINVAL)) << name;
    EXPECT_EQ(Move(InRoot(name), InRoot("x")).reply.error(), static_cast<uint32_t>(EINVAL));
    EXPECT_EQ(MakeDirectory(InRoot(name)).reply.error(), static_cast<uint32_t>(EINVAL)) << name;
  }
  EXPECT_TRUE(std::filesystem::exists(At("root/in/deep")));
}

TEST_F(PathTest, ASlashAtTheEndMeansADirectory) {
  EXPECT_EQ(Stat(InRoot("file/")).reply.error(), static_cast<uint32_t>(ENOTDIR));
  EXPECT_EQ(Stat(InRoot("in/deep///")).reply.entry().name(), "deep");
  EXPECT_EQ(Remove(InRoot("file/"), true).reply.error(), static_cast<uint32_t>(ENOTDIR));
  EXPECT_EQ(Move(InRoot("file/"), InRoot("x")).reply.error(), static_cast<uint32_t>(ENOTDIR));
  EXPECT_EQ(Move(InRoot("in/deep/"), InRoot("moved/")).reply.error(), 0u);
  EXPECT_EQ(Remove(InRoot("moved/"), false).reply.error(), 0u);
}

}  // namespace
}  // namespace nacre::files
