#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <optional>
#include <random>

#include "absl/strings/str_cat.h"
#include "base/seqpacket.h"
#include "tests/files/files_fixture.h"

namespace nacre::files {
namespace {

uint32_t Error(int error) { return static_cast<uint32_t>(error); }

class OperationsTest : public FilesTest {
 protected:
  v1::Reply SetAttributes(const std::string& name, std::optional<mode_t> mode,
                          std::optional<int64_t> seconds, uint32_t nanos = 0) {
    v1::Request request;
    v1::SetAttributes& set = *request.mutable_set_attributes();
    *set.mutable_path() = PathTo(name);
    if (mode.has_value()) set.set_mode(*mode);
    if (seconds.has_value()) {
      set.mutable_modified()->set_seconds(*seconds);
      set.mutable_modified()->set_nanos(nanos);
    }
    return Ask(request).reply;
  }
  Answer Watch(const std::string& name) {
    v1::Request request;
    *request.mutable_watch()->mutable_path() = PathTo(name);
    return Ask(request);
  }
  // Whether `check` holds for a user who is nobody in particular.
  static bool AsNobody(const std::function<bool()>& check) {
    const pid_t child = fork();
    if (child == 0) {
      const bool changed =
          setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0;
      _exit(changed && check() ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
};

TEST_F(OperationsTest, StatTellsOfALinkOrOfWhatItLeadsTo) {
  Write("file", "123");
  symlink("file", At("link").c_str());
  EXPECT_EQ(Stat(PathTo("link")).reply.entry().link_target(), "file");
  EXPECT_EQ(Stat(PathTo("link")).reply.entry().name(), "link");
  const v1::Reply followed = Stat(PathTo("link"), true).reply;
  EXPECT_EQ(followed.entry().size(), 3u);
  EXPECT_EQ(followed.entry().name(), "link");
  EXPECT_TRUE(followed.entry().link_target().empty());
  EXPECT_EQ(Stat(PathTo("none")).reply.error(), Error(ENOENT));
  EXPECT_EQ(Stat(PathTo("file/x")).reply.error(), Error(ENOTDIR));
}

TEST_F(OperationsTest, ARegularFileIsOpenedForReading) {
  Write("file", "content");
  symlink("file", At("link").c_str());
  for (const char* name : {"file", "link"}) {
    const Answer answer = OpenRead(PathTo(name));
    EXPECT_EQ(answer.reply.error(), 0u);
    EXPECT_EQ(answer.reply.entry().size(), 7u);
    EXPECT_EQ(ReadFd(answer.fd.get()), "content");
    const int flags = fcntl(answer.fd.get(), F_GETFL);
    EXPECT_EQ(flags & O_ACCMODE, O_RDONLY);
    EXPECT_TRUE(flags & O_NONBLOCK);
    EXPECT_TRUE(fcntl(answer.fd.get(), F_GETFD) & FD_CLOEXEC);
  }
}

TEST_F(OperationsTest, WhatIsNoFileIsRefusedWithoutWaitingForAnybody) {
  ASSERT_EQ(mkfifo(At("fifo").c_str(), 0600), 0);
  const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX};
  strncpy(address.sun_path, At("socket").c_str(), sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  symlink("/dev/zero", At("device").c_str());
  for (const char* name : {"fifo", "socket", "device"}) {
    const Answer answer = OpenRead(PathTo(name));
    EXPECT_EQ(answer.reply.failure(), v1::FAILURE_NOT_REGULAR) << name;
    EXPECT_EQ(answer.reply.error(), Error(EINVAL)) << name;
    EXPECT_FALSE(answer.fd.valid());
  }
  EXPECT_EQ(OpenRead(PathTo("")).reply.error(), Error(EISDIR));
  EXPECT_EQ(OpenRead(PathTo("none")).reply.error(), Error(ENOENT));
}

TEST_F(OperationsTest, WhatTheUserMayNotIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "takes root";
  Write("file", "secret");
  ASSERT_EQ(chmod(At("file").c_str(), 0600), 0);
  ASSERT_EQ(chmod(At("").c_str(), 0755), 0);
  EXPECT_TRUE(AsNobody([&] { return OpenRead(PathTo("file")).reply.error() == EACCES; }));
  EXPECT_TRUE(AsNobody([&] { return Stat(PathTo("file")).reply.error() == 0; }));
  EXPECT_TRUE(AsNobody([&] { return Remove(PathTo("file"), true).reply.error() == EACCES; }));
  EXPECT_TRUE(AsNobody([&] { return MakeDirectory(PathTo("d")).reply.error() == EACCES; }));
  EXPECT_TRUE(AsNobody([&] { return Watch("file").reply.error() == EACCES; }));
  EXPECT_TRUE(AsNobody([&] { return SetAttributes("file", 0777, {}).error() == EPERM; }));
  EXPECT_TRUE(AsNobody([&] {
    v1::Request request;
    *request.mutable_open_write()->mutable_path() = PathTo("file");
    return Ask(request).reply.error() == EACCES;
  }));
}

TEST_F(OperationsTest, AUserWithoutPrivilegesWritesInADirectoryOfHis) {
  if (geteuid() != 0) GTEST_SKIP() << "takes root";
  ASSERT_EQ(chown(At("").c_str(), 65534, 65534), 0);
  EXPECT_TRUE(AsNobody([&] {
    for (const char* id : {"", "id"}) {
      v1::Request request;
      *request.mutable_open_write()->mutable_path() = PathTo("file");
      request.mutable_open_write()->set_resume_id(id);
      const Answer opened = Ask(request);
      if (opened.reply.error() != 0 || write(opened.fd.get(), "x", 1) != 1) return false;
      request.mutable_commit()->set_upload(opened.reply.upload());
      request.mutable_commit()->set_mode(04711);
      const Answer committed = Ask(request);
      if (committed.reply.entry().mode() != (S_IFREG | 04711)) return false;
    }
    return Names() == std::set<std::string>{"file"};
  }));
}

TEST_F(OperationsTest, ADirectoryHasItsModeFromTheStart) {
  for (const mode_t mode : {0755, 0700, 01777, 02775, 07777}) {
    const std::string name = absl::StrCat("d", mode);
    const Answer answer = MakeDirectory(PathTo(name), mode);
    EXPECT_EQ(answer.reply.error(), 0u);
    EXPECT_EQ(answer.reply.entry().mode(), S_IFDIR | mode);
    EXPECT_EQ(answer.reply.entry().name(), name);
    EXPECT_EQ(ModeOf(name), mode);
  }
  EXPECT_EQ(MakeDirectory(PathTo("d493")).reply.error(), Error(EEXIST));
  EXPECT_EQ(MakeDirectory(PathTo("no/d")).reply.error(), Error(ENOENT));
  // What a group's directory hands down stays.
  EXPECT_EQ(MakeDirectory(PathTo("d1533/sub"), 0700).reply.entry().mode(), S_IFDIR | 02700u);
}

TEST_F(OperationsTest, ParentsAreMadeWhereTheyAreMissing) {
  const Answer made = MakeDirectory(Beneath("/a/b//c/../c/d/"), 0700, true);
  EXPECT_EQ(made.reply.error(), 0u);
  EXPECT_EQ(made.reply.entry().name(), "d");
  EXPECT_EQ(ModeOf("a"), 0755u);
  EXPECT_EQ(ModeOf("a/b/c"), 0755u);
  EXPECT_EQ(ModeOf("a/b/c/d"), 0700u);
  EXPECT_EQ(MakeDirectory(PathTo("a/b"), 0711, true).reply.error(), 0u) << "is there";
  EXPECT_EQ(ModeOf("a/b"), 0755u) << "left as it is";
  EXPECT_EQ(MakeDirectory(PathTo("x/../y/z"), 0755, true).reply.error(), 0u);
  EXPECT_EQ(MakeDirectory(Beneath("/"), 0755, true).reply.error(), 0u);
  symlink("a", At("link").c_str());
  EXPECT_EQ(MakeDirectory(PathTo("link/new"), 0755, true).reply.error(), 0u);
  EXPECT_EQ(ModeOf("a/new"), 0755u);
  EXPECT_EQ(Names(), (std::set<std::string>{"a", "x", "y", "link"}));
}

TEST_F(OperationsTest, WhatIsInTheWayOfADirectoryStays) {
  Write("file", "");
  symlink("nowhere", At("link").c_str());
  EXPECT_EQ(MakeDirectory(PathTo("file"), 0755, true).reply.error(), Error(EEXIST));
  EXPECT_EQ(MakeDirectory(PathTo("file/d"), 0755, true).reply.error(), Error(ENOTDIR));
  EXPECT_EQ(MakeDirectory(PathTo("file/d/e"), 0755, true).reply.error(), Error(ENOTDIR));
  EXPECT_EQ(MakeDirectory(PathTo("link"), 0755, true).reply.error(), Error(EEXIST));
  EXPECT_EQ(MakeDirectory(PathTo("link/d"), 0755, true).reply.error(), Error(ENOENT));
  EXPECT_EQ(Names(), (std::set<std::string>{"file", "link"}));
}

TEST_F(OperationsTest, ADeepPathIsMadeWhole) {
  std::string deep = "d";
  while (deep.size() < 3900) deep += "/d";
  EXPECT_EQ(MakeDirectory(Beneath(deep), 0755, true).reply.error(), 0u);
  EXPECT_EQ(Stat(Beneath(deep)).reply.error(), 0u);
}

TEST_F(OperationsTest, ALinkIsMadeAndReplacedInOneStep) {
  const Answer made = MakeSymlink(PathTo("link"), "target");
  EXPECT_EQ(made.reply.error(), 0u);
  EXPECT_EQ(made.reply.entry().link_target(), "target");
  EXPECT_EQ(MakeSymlink(PathTo("link"), "other").reply.error(), Error(EEXIST));
  EXPECT_EQ(MakeSymlink(PathTo("link"), "other", true).reply.entry().link_target(), "other");
  Write("file", "");
  EXPECT_EQ(MakeSymlink(PathTo("file"), "t", true).reply.error(), 0u);
  std::filesystem::create_directory(At("d"));
  ASSERT_EQ(mkfifo(At("fifo").c_str(), 0600), 0);
  EXPECT_EQ(MakeSymlink(PathTo("d"), "t", true).reply.error(), Error(EISDIR));
  EXPECT_EQ(MakeSymlink(PathTo("fifo"), "t", true).reply.failure(), v1::FAILURE_NOT_REGULAR);
  for (const std::string& bad : {std::string(), std::string(4096, 't'), std::string("a\0b", 3)}) {
    EXPECT_EQ(MakeSymlink(PathTo("new"), bad).reply.failure(), v1::FAILURE_REQUEST);
  }
  EXPECT_EQ(Names(), (std::set<std::string>{"link", "file", "d", "fifo"}));
}

TEST_F(OperationsTest, AFileIsMovedOverAnotherUnlessNothingMayBeReplaced) {
  Write("a", "a");
  Write("b", "b");
  std::filesystem::create_directories(At("empty"));
  std::filesystem::create_directories(At("full/sub"));
  EXPECT_EQ(Move(PathTo("a"), PathTo("b"), true).reply.error(), Error(EEXIST));
  EXPECT_EQ(Move(PathTo("a"), PathTo("b")).reply.error(), 0u);
  EXPECT_EQ(Read("b"), "a");
  EXPECT_EQ(Move(PathTo("b"), PathTo("c"), true).reply.error(), 0u);
  EXPECT_EQ(Move(PathTo("c"), PathTo("empty")).reply.error(), Error(EISDIR));
  EXPECT_EQ(Move(PathTo("empty"), PathTo("full")).reply.error(), Error(ENOTEMPTY));
  EXPECT_EQ(Move(PathTo("full"), PathTo("empty")).reply.error(), 0u);
  EXPECT_EQ(Move(PathTo("none"), PathTo("x")).reply.error(), Error(ENOENT));
  symlink("c", At("link").c_str());
  EXPECT_EQ(Move(PathTo("link"), PathTo("moved")).reply.error(), 0u);
  EXPECT_EQ(Names(), (std::set<std::string>{"c", "empty", "moved"}));
}

TEST_F(OperationsTest, AMoveToAnotherFileSystemIsNotOneOutOfARoot) {
  Write("a", "a");
  v1::Path to;
  to.set_path("/dev/shm/nacre-test-" + std::filesystem::path(dir_.path()).filename().string());
  struct stat here, there;
  if (stat("/dev/shm", &there) != 0 || stat(At("").c_str(), &here) != 0 ||
      here.st_dev == there.st_dev) {
    GTEST_SKIP() << "takes two file systems";
  }
  const Answer answer = Move(PathTo("a"), to);
  EXPECT_EQ(answer.reply.error(), Error(EXDEV));
  EXPECT_EQ(answer.reply.failure(), v1::FAILURE_UNSPECIFIED);
}

TEST_F(OperationsTest, ModeAndTimeAreSetOfWhateverItIs) {
  Write("file", "");
  std::filesystem::create_directory(At("d"));
  ASSERT_EQ(mkfifo(At("fifo").c_str(), 0600), 0);
  for (const char* name : {"file", "d", "fifo", "d/."}) {
    const v1::Reply reply = SetAttributes(name, 06751, 1'234'567'890, 123);
    EXPECT_EQ(reply.error(), 0u) << name;
    EXPECT_EQ(reply.entry().mode() & 07777, 06751u) << name;
    EXPECT_EQ(reply.entry().modified().seconds(), 1'234'567'890) << name;
    EXPECT_EQ(reply.entry().modified().nanos(), 123u) << name;
    EXPECT_EQ(SetAttributes(name, std::nullopt, -1).entry().mode() & 07777, 06751u) << name;
    EXPECT_EQ(SetAttributes(name, 0600, {}).entry().modified().seconds(), -1) << name;
  }
  EXPECT_EQ(SetAttributes("none", 0600, {}).error(), Error(ENOENT));
  EXPECT_EQ(SetAttributes("file", {}, 0, 1'000'000'000).failure(), v1::FAILURE_REQUEST);
}

TEST_F(OperationsTest, ALinkHasATimeButNoMode) {
  Write("file", "");
  symlink("file", At("link").c_str());
  const v1::Reply before = Stat(PathTo("file")).reply;
  EXPECT_EQ(SetAttributes("link", 0777, {}).error(), Error(EOPNOTSUPP));
  EXPECT_EQ(SetAttributes("link", {}, 5).entry().modified().seconds(), 5);
  EXPECT_EQ(Stat(PathTo("link")).reply.entry().modified().seconds(), 5);
  EXPECT_EQ(Stat(PathTo("file")).reply.entry().SerializeAsString(),
            before.entry().SerializeAsString());
}

TEST_F(OperationsTest, AWatchTellsWhatHappensFromThenOn) {
  std::filesystem::create_directory(At("d"));
  const Answer answer = Watch("d");
  ASSERT_EQ(answer.reply.error(), 0u);
  char buffer[4096];
  EXPECT_EQ(read(answer.fd.get(), buffer, sizeof(buffer)), -1);
  EXPECT_EQ(errno, EAGAIN) << "it does not block";
  Write("d/file", "x");
  std::filesystem::remove(At("d/file"));
  std::filesystem::remove(At("d"));
  const ssize_t got = read(answer.fd.get(), buffer, sizeof(buffer));
  uint32_t seen = 0;
  for (ssize_t at = 0; at < got;) {
    const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
    seen |= event->mask;
    at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
  }
  for (const uint32_t wanted :
       {IN_CREATE, IN_MODIFY, IN_CLOSE_WRITE, IN_DELETE, IN_DELETE_SELF, IN_IGNORED}) {
    EXPECT_TRUE(seen & wanted) << wanted;
  }
  EXPECT_EQ(Watch("none").reply.error(), Error(ENOENT));
}

TEST_F(OperationsTest, NoDescriptorIsLeft) {
  Write("file", "");
  const auto open_fds = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = open_fds();
  for (int i = 0; i < 20; ++i) {
    OpenRead(Beneath("file"));
    OpenRead(Beneath("none"));
    Watch("file");
    MakeDirectory(Beneath("a/b/c"), 0755, true);
    Remove(Beneath("a"), true);
    Move(Beneath("file"), Beneath("file2"));
    Move(Beneath("file2"), Beneath("file"));
    for (const char* id : {"", "id"}) {
      v1::Request request;
      *request.mutable_open_write()->mutable_path() = Beneath("file");
      request.mutable_open_write()->set_resume_id(id);
      request.mutable_commit()->set_upload(Ask(request).reply.upload());
      Ask(request);
      *request.mutable_open_write()->mutable_path() = Beneath("file");
      request.mutable_discard()->set_upload(Ask(request).reply.upload());
      Ask(request);
    }
  }
  EXPECT_EQ(open_fds(), before);
}

TEST_F(OperationsTest, ARequestWithoutAnOperationIsRefused) {
  v1::Request request;
  request.set_id(7);
  const Answer answer = Ask(request);
  EXPECT_EQ(answer.reply.id(), 7u);
  EXPECT_EQ(answer.reply.failure(), v1::FAILURE_REQUEST);
}

// Fields of any value, in an order of any sense. All beneath a directory of its own.
TEST_F(OperationsTest, WhateverIsAskedIsAnswered) {
  std::mt19937 random(1);
  const auto pick = [&](uint32_t below) { return static_cast<uint32_t>(random() % below); };
  const auto path = [&] {
    std::string name;
    for (uint32_t i = 0, parts = pick(4); i <= parts; ++i) {
      static constexpr const char* kParts[] = {"a", "b", "..", ".", "", "link", "\xff", "a/b"};
      name += std::string(pick(2), '/') + kParts[pick(8)];
    }
    return Beneath(pick(20) == 0 ? std::string(pick(5000), 'x') : name);
  };
  symlink("a", At("link").c_str());
  for (uint64_t id = 1; id <= 5000; ++id) {
    v1::Request request;
    request.set_id(id);
    const bool flag = pick(2) == 0;
    switch (pick(13)) {
      case 0:
        *request.mutable_stat()->mutable_path() = path();
        break;
      case 1:
        *request.mutable_list()->mutable_path() = path();
        if (flag) request.mutable_list()->set_from(random());
        request.mutable_list()->set_limit(random());
        break;
      case 2:
        *request.mutable_open_read()->mutable_path() = path();
        break;
      case 3:
        *request.mutable_open_write()->mutable_path() = path();
        request.mutable_open_write()->set_must_not_exist(flag);
        if (pick(2) == 0) request.mutable_open_write()->set_resume_id("id");
        if (pick(4) == 0) request.mutable_open_write()->set_offset(random());
        break;
      case 4:
        request.mutable_commit()->set_upload(pick(id));
        request.mutable_commit()->set_mode(random());
        request.mutable_commit()->mutable_modified()->set_nanos(random());
        break;
      case 5:
        request.mutable_discard()->set_upload(pick(id));
        break;
      case 6:
        *request.mutable_make_directory()->mutable_path() = path();
        request.mutable_make_directory()->set_mode(random());
        request.mutable_make_directory()->set_parents(flag);
        break;
      case 7:
        *request.mutable_make_symlink()->mutable_path() = path();
        request.mutable_make_symlink()->set_target(path().path());
        request.mutable_make_symlink()->set_replace(flag);
        break;
      case 8:
        *request.mutable_move()->mutable_from() = path();
        *request.mutable_move()->mutable_to() = path();
        request.mutable_move()->set_must_not_exist(flag);
        break;
      case 9:
        *request.mutable_remove()->mutable_path() = path();
        request.mutable_remove()->set_recursive(flag);
        break;
      case 10:
        *request.mutable_set_attributes()->mutable_path() = path();
        request.mutable_set_attributes()->set_mode(random());
        request.mutable_set_attributes()->mutable_modified()->set_seconds(random());
        break;
      case 11:
        *request.mutable_watch()->mutable_path() = path();
        break;
      default: {
        // What a broken front might send.
        std::string bytes(pick(64), '\0');
        for (char& byte : bytes) byte = static_cast<char>(random());
        if (!request.ParseFromString(bytes)) continue;
        if (request.operation_case() != v1::Request::OPERATION_NOT_SET) continue;
        request.set_id(id);
      }
    }
    const Answer answer = Ask(request);
    ASSERT_EQ(answer.reply.id(), id);
    ASSERT_LE(answer.reply.ByteSizeLong(), seqpacket::kMaxDatagram);
    ASSERT_TRUE(answer.reply.failure() == v1::FAILURE_UNSPECIFIED || answer.reply.error() != 0);
  }
}

}  // namespace
}  // namespace nacre::files
