#include "client/cli/raw_terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <string>

#include "tests/client/pseudo_terminal.h"

namespace nacre::cli {
namespace {

using client::PseudoTerminal;

constexpr tcflag_t kLocal = ECHO | ECHONL | ICANON | ISIG | IEXTEN;

bool IsRaw(const termios& settings) {
  return (settings.c_lflag & kLocal) == 0 && (settings.c_oflag & OPOST) == 0 &&
         (settings.c_iflag & (ICRNL | INLCR | IGNCR | IXON | IXOFF | ISTRIP)) == 0;
}

bool Same(const termios& one, const termios& other) {
  return one.c_iflag == other.c_iflag && one.c_oflag == other.c_oflag &&
         one.c_cflag == other.c_cflag && one.c_lflag == other.c_lflag &&
         std::memcmp(one.c_cc, other.c_cc, sizeof(one.c_cc)) == 0;
}

// A terminal with settings that no default has.
class RawTerminalTest : public testing::Test {
 protected:
  RawTerminalTest() {
    original_.c_lflag |= ECHONL;
    original_.c_iflag |= IXANY | IXOFF;
    original_.c_cc[VMIN] = 7;
    terminal_.SetSettings(original_);
  }

  // Starts a program that puts the terminal into raw mode, and waits until it has.
  pid_t StartInRawMode(const std::string& how = "") {
    const pid_t pid = terminal_.Start({NACRE_IN_RAW_MODE, how});
    terminal_.ReadUntil("\n");
    return pid;
  }

  PseudoTerminal terminal_;
  termios original_ = terminal_.settings();
};

int StatusOf(pid_t pid, int options = 0) {
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, options), pid);
  return status;
}

TEST_F(RawTerminalTest, KeysComeAtOnceAndAsTheyWereTyped) {
  const auto raw = RawTerminal::Enter(terminal_.fd());
  ASSERT_TRUE(raw.ok());
  EXPECT_TRUE(IsRaw(terminal_.settings()));
  for (const char key : {'\x03', '\r', '\x11', '\x1A', '\x16', 'a'}) {
    terminal_.Type(std::string(1, key));
    char got = 0;
    ASSERT_EQ(read(terminal_.fd(), &got, 1), 1);
    EXPECT_EQ(got, key);
  }
}

TEST_F(RawTerminalTest, TheLineKeepsItsCharacters) {
  original_.c_cflag = (original_.c_cflag & ~static_cast<tcflag_t>(CSIZE)) | CS7 | PARENB;
  EXPECT_EQ(RawSettings(original_).c_cflag, original_.c_cflag);
}

TEST_F(RawTerminalTest, ItEndsWithTheObjectAndMayBeginAnew) {
  for (int i = 0; i < 2; ++i) {
    const auto raw = RawTerminal::Enter(terminal_.fd());
    ASSERT_TRUE(raw.ok());
    EXPECT_TRUE(IsRaw(terminal_.settings()));
    EXPECT_FALSE(RawTerminal::Enter(terminal_.fd()).ok());
    EXPECT_TRUE(IsRaw(terminal_.settings()));
  }
  EXPECT_TRUE(Same(terminal_.settings(), original_));
}

TEST_F(RawTerminalTest, ItIsPutBackOnce) {
  const auto raw = RawTerminal::Enter(terminal_.fd());
  RawTerminal::Restore();
  EXPECT_TRUE(Same(terminal_.settings(), original_));
  termios other = original_;
  other.c_cc[VMIN] = 9;
  terminal_.SetSettings(other);
  RawTerminal::Restore();
  EXPECT_TRUE(Same(terminal_.settings(), other));
}

TEST_F(RawTerminalTest, NoTerminalIsAnError) {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  EXPECT_FALSE(RawTerminal::Enter(null).ok());
  close(null);
  EXPECT_TRUE(RawTerminal::Enter(terminal_.fd()).ok());
}

TEST_F(RawTerminalTest, ReturningAndExitingPutItBack) {
  for (const char* how : {"return", "exit", "_exit"}) {
    const int status = StatusOf(StartInRawMode(how));
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << how;
    EXPECT_TRUE(Same(terminal_.settings(), original_)) << how;
  }
}

TEST_F(RawTerminalTest, ASignalThatKillsPutsItBackAndKills) {
  for (const int number :
       {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV}) {
    const pid_t pid = StartInRawMode();
    EXPECT_TRUE(IsRaw(terminal_.settings()));
    kill(pid, number);
    const int status = StatusOf(pid);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == number) << strsignal(number);
    EXPECT_TRUE(Same(terminal_.settings(), original_)) << strsignal(number);
  }
}

TEST_F(RawTerminalTest, WhileWeAreStoppedItIsAsItWas) {
  const pid_t pid = StartInRawMode();
  for (int i = 0; i < 2; ++i) {
    kill(pid, SIGTSTP);
    const int status = StatusOf(pid, WUNTRACED);
    EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
    EXPECT_TRUE(Same(terminal_.settings(), original_));
    kill(pid, SIGCONT);
    terminal_.ReadUntil("awake");
    EXPECT_TRUE(IsRaw(terminal_.settings()));
  }
  kill(pid, SIGTERM);
  EXPECT_TRUE(WIFSIGNALED(StatusOf(pid)));
  EXPECT_TRUE(Same(terminal_.settings(), original_));
}

// As some shells do after a SIGSTOP, which nobody can catch.
TEST_F(RawTerminalTest, ItIsRawAgainHoweverWeWereStopped) {
  const pid_t pid = StartInRawMode();
  kill(pid, SIGSTOP);
  EXPECT_TRUE(WIFSTOPPED(StatusOf(pid, WUNTRACED)));
  terminal_.SetSettings(original_);
  kill(pid, SIGCONT);
  terminal_.ReadUntil("awake");
  EXPECT_TRUE(IsRaw(terminal_.settings()));
  kill(pid, SIGTERM);
  (void)StatusOf(pid);
}

// A shell with job control on the terminal, and the program as its job, stopped.
class StoppedJob : public RawTerminalTest {
 protected:
  StoppedJob() {
    original_.c_lflag &= ~static_cast<tcflag_t>(ECHO);  // What we read was written then.
    terminal_.SetSettings(original_);
    shell_ = terminal_.Start({"/bin/sh", "-i"}, /*controlling=*/true);
    terminal_.Type("PS1=\n" NACRE_IN_RAW_MODE "\n");
    terminal_.ReadUntil("raw ");
    job_ = std::stoi(terminal_.ReadUntil("\n"));
    EXPECT_TRUE(IsRaw(terminal_.settings()));
    kill(job_, SIGTSTP);
    terminal_.Type("echo stopp''ed\n");
    terminal_.ReadUntil("stopped");
    EXPECT_TRUE(Same(terminal_.settings(), original_));
  }

  ~StoppedJob() override {
    terminal_.Type("exit\n");
    if (HasFailure()) kill(shell_, SIGKILL);
    (void)StatusOf(shell_);
  }

  pid_t shell_ = -1;
  pid_t job_ = -1;
};

TEST_F(StoppedJob, LeavesTheTerminalAloneInTheBackground) {
  termios other = original_;
  other.c_cc[VMIN] = 9;
  terminal_.SetSettings(other);
  terminal_.Type("bg\n");
  terminal_.ReadUntil("awake");
  EXPECT_TRUE(Same(terminal_.settings(), other));
  terminal_.Type("kill %1; wait; echo end''ed\n");
  terminal_.ReadUntil("ended");
  EXPECT_TRUE(Same(terminal_.settings(), other));
}

TEST_F(StoppedJob, IsRawAgainInTheForeground) {
  terminal_.Type("fg\n");
  terminal_.ReadUntil("awake");
  EXPECT_TRUE(IsRaw(terminal_.settings()));
  kill(job_, SIGTERM);
}

}  // namespace
}  // namespace nacre::cli
