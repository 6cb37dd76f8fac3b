// The binary itself, on a channel as the keeper makes it.

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "base/seqpacket.h"
#include "files/temp_name.h"
#include "tests/files/files_fixture.h"

namespace nacre::files {
namespace {

class BinaryTest : public FilesTest {
 protected:
  void SetUp() override {
    auto ends = seqpacket::Pair();
    ASSERT_TRUE(ends.ok());
    channel_ = std::move(ends->first);
    Start(ends->second.get());
  }
  void TearDown() override {
    channel_.reset();
    if (child_ > 0) Wait();
  }
  void Start(int stdin_fd) {
    child_ = fork();
    if (child_ == 0) {
      dup2(stdin_fd, 0);
      const std::string home = "HOME=" + dir_.path();
      const char* environment[] = {home.c_str(), nullptr};
      execle(NACRE_FILES, "nacre-files", nullptr, environment);
      _exit(127);
    }
  }
  // The exit status.
  int Wait() {
    int status = 0;
    waitpid(child_, &status, 0);
    child_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  bool Readable() {
    pollfd poll_fd{.fd = channel_.get(), .events = POLLIN};
    return poll(&poll_fd, 1, 10'000) == 1;
  }
  Answer Call(const v1::Request& request) {
    EXPECT_TRUE(seqpacket::Send(channel_.get(), request.SerializeAsString()).ok());
    return Take();
  }
  Answer Take() {
    Answer answer;
    EXPECT_TRUE(Readable());
    auto datagram = seqpacket::Receive(channel_.get());
    EXPECT_TRUE(datagram.ok() && datagram->has_value());
    if (!datagram.ok() || !datagram->has_value()) return answer;
    EXPECT_TRUE(answer.reply.ParseFromString((*datagram)->bytes));
    EXPECT_LE((*datagram)->fds.size(), 1u);
    if (!(*datagram)->fds.empty()) answer.fd = std::move((*datagram)->fds[0]);
    return answer;
  }

  UniqueFd channel_;
  pid_t child_ = 0;
};

TEST_F(BinaryTest, AFileIsWrittenAndReadByDescriptors) {
  v1::Request request;
  request.set_id(1);
  // Relative to where it was started.
  request.mutable_open_write()->mutable_path()->set_path("file");
  const Answer opened = Call(request);
  ASSERT_TRUE(opened.fd.valid()) << opened.reply.error();
  EXPECT_EQ(opened.reply.id(), 1u);
  ASSERT_EQ(write(opened.fd.get(), "hello", 5), 5);
  request.set_id(2);
  request.mutable_commit()->set_upload(opened.reply.upload());
  request.mutable_commit()->set_mode(0666);
  EXPECT_EQ(Call(request).reply.error(), 0u);
  EXPECT_EQ(ModeOf("file"), 0666u);
  request.mutable_open_read()->mutable_path()->set_path("file");
  EXPECT_EQ(ReadFd(Call(request).fd.get()), "hello");
}

TEST_F(BinaryTest, ItEndsWithItsChannelAndLeavesOnlyWhatCanBeResumed) {
  for (const char* id : {"", "id"}) {
    v1::Request request;
    request.mutable_open_write()->mutable_path()->set_path("file");
    request.mutable_open_write()->set_resume_id(id);
    EXPECT_EQ(Call(request).reply.error(), 0u);
  }
  channel_.reset();
  EXPECT_EQ(Wait(), 0);
  EXPECT_EQ(Names(), std::set<std::string>{ResumeName("id", "file")});
}

TEST_F(BinaryTest, WhatIsNoRequestEndsIt) {
  ASSERT_TRUE(seqpacket::Send(channel_.get(), "\xff\xff\xff").ok());
  EXPECT_EQ(Wait(), 1);
}

TEST_F(BinaryTest, RepliesThatNobodyTakesStopItAndNoneIsLost) {
  v1::Request request;
  request.mutable_stat()->mutable_path()->set_path(".");
  uint64_t sent = 0, taken = 0;
  // Until both queues are full.
  for (;;) {
    request.set_id(sent + 1);
    const absl::Status status = seqpacket::Send(channel_.get(), request.SerializeAsString());
    if (status.ok()) {
      ++sent;
      continue;
    }
    ASSERT_TRUE(absl::IsUnavailable(status)) << status;
    pollfd poll_fd{.fd = channel_.get(), .events = POLLOUT};
    if (poll(&poll_fd, 1, 300) == 0) break;
  }
  EXPECT_GT(sent, 100u);
  while (taken < sent) ASSERT_EQ(Take().reply.id(), ++taken);
}

TEST_F(BinaryTest, ItEndsWhileNobodyTakesItsReplies) {
  v1::Request request;
  request.mutable_list()->mutable_path()->set_path("/proc");
  while (seqpacket::Send(channel_.get(), request.SerializeAsString()).ok()) {
  }
  channel_.reset();
  EXPECT_EQ(Wait(), 0);
}

TEST_F(BinaryTest, RandomBytesDoNotCrashIt) {
  std::mt19937 random(1);
  for (int i = 0; i < 20; ++i) {
    std::string bytes(1 + random() % 100, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    v1::Request request;
    if (request.ParseFromString(bytes)) continue;
    ASSERT_TRUE(seqpacket::Send(channel_.get(), bytes).ok());
    EXPECT_EQ(Wait(), 1);
    SetUp();
  }
}

TEST_F(BinaryTest, ByHandItSaysWhoStartsIt) {
  channel_.reset();
  EXPECT_EQ(Wait(), 0);
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  Start(null.get());
  EXPECT_EQ(Wait(), 2);
}

}  // namespace
}  // namespace nacre::files
