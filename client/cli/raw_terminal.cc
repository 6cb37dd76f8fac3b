#include "client/cli/raw_terminal.h"

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "absl/status/status.h"

namespace nacre::cli {
namespace {

// For signal handlers. Constant while `raw` is set, but for that itself.
struct Terminal {
  int fd = -1;
  termios original_settings{};
  termios raw_settings{};
  std::atomic<bool> raw = false;
};
static_assert(std::atomic<bool>::is_always_lock_free);

Terminal terminal;

bool InForeground() {
  const pid_t group = ::tcgetpgrp(terminal.fd);
  return group < 0 || group == ::getpgrp();  // Below 0: it does not control us.
}

// At once, for a terminal that takes no output must not hold us up; what is written already has
// been processed by the settings of then.
void Apply(const termios& settings) {
  if (InForeground()) (void)::tcsetattr(terminal.fd, TCSANOW, &settings);
}

void MakeRawAgain() {
  if (!terminal.raw) return;
  Apply(terminal.raw_settings);
  // Restore() may have come in between.
  if (!terminal.raw) Apply(terminal.original_settings);
}

void RestoreAndDie(int number);
void RestoreAndStop(int number);
void Continue(int number);

struct Handled {
  int number;
  void (*handler)(int);
  struct sigaction previous {};
};

std::array handled = {
    Handled{SIGHUP, RestoreAndDie},    Handled{SIGINT, RestoreAndDie},
    Handled{SIGQUIT, RestoreAndDie},   Handled{SIGTERM, RestoreAndDie},
    Handled{SIGABRT, RestoreAndDie},   Handled{SIGBUS, RestoreAndDie},
    Handled{SIGFPE, RestoreAndDie},    Handled{SIGILL, RestoreAndDie},
    Handled{SIGSEGV, RestoreAndDie},   Handled{SIGSYS, RestoreAndDie},
    Handled{SIGTRAP, RestoreAndDie},   Handled{SIGUSR1, RestoreAndDie},
    Handled{SIGUSR2, RestoreAndDie},   Handled{SIGALRM, RestoreAndDie},
    Handled{SIGVTALRM, RestoreAndDie}, Handled{SIGPROF, RestoreAndDie},
    Handled{SIGXCPU, RestoreAndDie},   Handled{SIGXFSZ, RestoreAndDie},
    Handled{SIGIO, RestoreAndDie},     Handled{SIGPWR, RestoreAndDie},
    Handled{SIGSTKFLT, RestoreAndDie}, Handled{SIGTSTP, RestoreAndStop},
    Handled{SIGCONT, Continue},
};

// The signal is blocked until we return, and then does what it did before us.
void RestoreAndDie(int number) {
  RawTerminal::Restore();
  for (const Handled& one : handled) {
    if (one.number == number) (void)::sigaction(number, &one.previous, nullptr);
  }
  (void)::raise(number);
}

void RestoreAndStop(int number) {
  const int error = errno;
  if (terminal.raw) Apply(terminal.original_settings);
  struct sigaction stop {};
  struct sigaction ours {};
  stop.sa_handler = SIG_DFL;
  (void)::sigaction(number, &stop, &ours);
  (void)::raise(number);
  sigset_t only;
  sigset_t before;
  sigemptyset(&only);
  sigaddset(&only, number);
  (void)::pthread_sigmask(SIG_UNBLOCK, &only, &before);  // Here we stand still.
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  (void)::sigaction(number, &ours, nullptr);
  MakeRawAgain();  // Where nothing could stop us, nothing continues us.
  errno = error;
}

void Continue(int /*number*/) {
  const int error = errno;
  MakeRawAgain();
  errno = error;
}

void InstallHandlers() {
  for (Handled& one : handled) {
    struct sigaction action {};
    action.sa_handler = one.handler;
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    (void)::sigaction(one.number, nullptr, &one.previous);
    if (one.previous.sa_handler != SIG_IGN) (void)::sigaction(one.number, &action, nullptr);
  }
}

void RemoveHandlers() {
  for (const Handled& one : handled) (void)::sigaction(one.number, &one.previous, nullptr);
}

}  // namespace

termios RawSettings(termios settings) {
  const tcflag_t line = settings.c_cflag;
  ::cfmakeraw(&settings);
  settings.c_cflag = line;
  settings.c_iflag |= IGNPAR;
  settings.c_iflag &= ~static_cast<tcflag_t>(IXANY | IXOFF | IUCLC);
  settings.c_cc[VMIN] = 1;
  settings.c_cc[VTIME] = 0;
  return settings;
}

absl::StatusOr<std::unique_ptr<RawTerminal>> RawTerminal::Enter(int fd) {
  if (terminal.raw) return absl::FailedPreconditionError("a terminal is in raw mode already");
  termios settings{};
  if (::tcgetattr(fd, &settings) != 0) return absl::ErrnoToStatus(errno, "cannot read settings");
  terminal.fd = fd;
  terminal.original_settings = settings;
  terminal.raw_settings = RawSettings(settings);
  static const bool at_exit = std::atexit(Restore) == 0;
  if (!at_exit) return absl::ResourceExhaustedError("no room for another exit handler");
  terminal.raw = true;
  InstallHandlers();
  std::unique_ptr<RawTerminal> raw(new RawTerminal);
  if (::tcsetattr(fd, TCSANOW, &terminal.raw_settings) != 0) {
    return absl::ErrnoToStatus(errno, "cannot change settings");
  }
  return raw;
}

RawTerminal::~RawTerminal() {
  Restore();
  RemoveHandlers();
}

void RawTerminal::Restore() {
  if (terminal.raw.exchange(false)) Apply(terminal.original_settings);
}

}  // namespace nacre::cli
