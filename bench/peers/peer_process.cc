#include "bench/peers/peer_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "bench/child.h"
#include "bench/io.h"

namespace nacre::bench {
namespace {

// Of standard error, at most.
constexpr size_t kErrorBytes = 4096;

// Starts ourselves under kFlag, in a process group of its own. Returns an errno.
int SpawnSelf(const std::vector<std::string>& argv, int in, int out, int err, pid_t* pid) {
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  const int error = posix_spawn(pid, "/proc/self/exe", &actions, &attributes, arguments.data(),
                                CleanEnvironment());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PeerProcess>> PeerProcess::Start(
    const std::vector<std::string>& argv, UniqueFd socket) {
  std::unique_ptr<PeerProcess> peer(new PeerProcess());
  peer->errors_.reset(memfd_create("errors", MFD_CLOEXEC));
  UniqueFd in(open("/dev/null", O_RDONLY | O_CLOEXEC));
  int ends[2];
  if (!peer->errors_.valid() || !in.valid() || pipe2(ends, O_CLOEXEC) != 0) {
    return absl::ErrnoToStatus(errno, "a peer's streams");
  }
  peer->out_.reset(ends[0]);
  UniqueFd out(ends[1]);
  std::vector<std::string> all = {"nacre-bench", kFlag, absl::StrCat(getpid())};
  all.insert(all.end(), argv.begin(), argv.end());
  const int error =
      SpawnSelf(all, socket.valid() ? socket.get() : in.get(),
                socket.valid() ? socket.get() : out.get(), peer->errors_.get(), &peer->pid_);
  if (error == 0) return peer;
  peer->pid_ = -1;
  return absl::ErrnoToStatus(error, "posix_spawn");
}

void PeerProcess::AdoptOrphans() { prctl(PR_SET_CHILD_SUBREAPER, 1); }

PeerProcess::~PeerProcess() {
  if (pid_ < 0) return;
  kill(-pid_, SIGKILL);
  // Until nobody of the group is left.
  while (waitpid(-pid_, nullptr, 0) > 0 || errno == EINTR) {
  }
}

absl::StatusOr<std::string> PeerProcess::ReadLine() {
  std::string line;
  for (;;) {
    char c = 0;
    absl::Status status = AwaitReadable({out()});
    if (status.ok()) status = ReadExactly(out(), &c, 1);
    if (!status.ok()) return absl::UnavailableError(absl::StrCat(status.message(), ": ", Errors()));
    if (c == '\n') return line;
    line += c;
  }
}

std::string PeerProcess::Errors() const {
  std::string text(kErrorBytes, '\0');
  const ssize_t got = pread(errors_.get(), text.data(), text.size(), 0);
  text.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
  for (char& c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = ' ';
  }
  absl::RemoveExtraAsciiWhitespace(&text);
  return text.empty() ? "no error was written" : text;
}

int PeerProcess::Become(pid_t parent, char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) return 1;  // it is gone already
  signal(SIGPIPE, SIG_DFL);
  execv(argv[0], argv);
  perror(argv[0]);
  return 1;
}

}  // namespace nacre::bench
