// Puts the terminal at its standard input into raw mode, says "raw" and its process id, and leaves
// as its argument says. Without one it waits for signals, and says "awake" after each that it
// survives.

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "client/cli/raw_terminal.h"

int main(int argc, char** argv) {
  sigset_t none;
  sigset_t stops;
  sigemptyset(&none);
  sigemptyset(&stops);
  sigaddset(&stops, SIGTSTP);
  sigaddset(&stops, SIGCONT);
  sigprocmask(SIG_BLOCK, &stops, nullptr);  // They come while we wait, and none goes unsaid.
  // What a sanitizer would report and turn into an exit.
  for (const int crash : {SIGBUS, SIGFPE, SIGSEGV}) std::signal(crash, SIG_DFL);
  const auto raw = nacre::cli::RawTerminal::Enter(STDIN_FILENO);
  if (!raw.ok()) return 1;
  dprintf(STDOUT_FILENO, "raw %d\n", getpid());
  const std::string how = argc > 1 ? argv[1] : "";
  if (how == "return") return 0;
  if (how == "exit") exit(0);
  if (how == "_exit") {
    nacre::cli::RawTerminal::Restore();
    _exit(0);
  }
  for (;;) {
    sigsuspend(&none);
    dprintf(STDOUT_FILENO, "awake\n");
  }
}
