#include "client/cli/window_size.h"

#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <utility>

#include "client/cli/signal_forwarder.h"
#include "tests/client/nacre_process.h"
#include "tests/client/pseudo_terminal.h"

namespace nacre::cli {
namespace {

using Size = std::pair<int, int>;

class WindowSizeTest : public testing::Test {
 protected:
  WindowSizeTest() {
    unsetenv("LINES");
    unsetenv("COLUMNS");
  }

  void Resize(const Size& size) const {
    const winsize window{.ws_row = static_cast<uint16_t>(size.first),
                         .ws_col = static_cast<uint16_t>(size.second)};
    EXPECT_EQ(ioctl(terminal_.fd(), TIOCSWINSZ, &window), 0);
  }

  Size Read() const {
    const WindowSize size = ReadWindowSize(terminal_.fd());
    return {size.rows, size.columns};
  }

  client::PseudoTerminal terminal_;
};

TEST_F(WindowSizeTest, IsTheTerminals) {
  setenv("LINES", "11", 1);
  Resize({50, 132});
  EXPECT_EQ(Read(), Size(50, 132));
}

TEST_F(WindowSizeTest, IsTheEnvironmentsWhereTheTerminalDoesNotKnow) {
  Resize({0, 0});
  EXPECT_EQ(Read(), Size(24, 80));
  setenv("LINES", "11", 1);
  EXPECT_EQ(Read(), Size(11, 80));
  setenv("COLUMNS", "65535", 1);
  EXPECT_EQ(Read(), Size(11, 65535));
  Resize({0, 40});
  EXPECT_EQ(Read(), Size(11, 40));
}

TEST_F(WindowSizeTest, NonsenseInTheEnvironmentIsIgnored) {
  Resize({0, 0});
  for (const char* nonsense : {"", "0", "-1", "65536", "80x", "99999999999999999999"}) {
    setenv("LINES", nonsense, 1);
    setenv("COLUMNS", nonsense, 1);
    EXPECT_EQ(Read(), Size(24, 80)) << nonsense;
  }
}

TEST_F(WindowSizeTest, WithoutATerminalThereIsOne) {
  const client::Pipe pipe;
  const WindowSize size = ReadWindowSize(pipe.reader());
  EXPECT_EQ(Size(size.rows, size.columns), Size(24, 80));
}

// In a process of its own: threads of other tests don't hold signals.
TEST_F(WindowSizeTest, AChangeIsTold) {
  client::Pipe told;
  const pid_t pid = fork();
  if (pid == 0) {
    const SignalForwarder forwarder(HoldSignals(), nullptr, &client::Process::Cancel, [&] {
      const WindowSize size = ReadWindowSize(terminal_.fd());
      (void)!write(told.writer(), &size, sizeof(size));
    });
    (void)!write(told.writer(), "", 1);
    for (;;) pause();
  }
  char ready = 1;
  ASSERT_EQ(read(told.reader(), &ready, 1), 1);
  for (const Size& size : {Size(30, 90), Size(31, 91)}) {
    Resize(size);
    kill(pid, SIGWINCH);
    WindowSize got;
    ASSERT_EQ(read(told.reader(), &got, sizeof(got)), static_cast<ssize_t>(sizeof(got)));
    EXPECT_EQ(Size(got.rows, got.columns), size);
  }
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

}  // namespace
}  // namespace nacre::cli
