#include "bench/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace nacre::bench {
namespace {

// Like the one that Nacre gives, whatever ours is.
const char* const kEnvironment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/", "LANG=C.UTF-8",
                                    nullptr};

absl::Status OpenPipe(UniqueFd* read_end, UniqueFd* write_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  read_end->reset(ends[0]);
  write_end->reset(ends[1]);
  return absl::OkStatus();
}

// posix_spawn's list of what to do with descriptors.
class FileActions {
 public:
  FileActions() { posix_spawn_file_actions_init(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }

  void Dup(int from, int to) { posix_spawn_file_actions_adddup2(&actions_, from, to); }
  void OpenNull(int fd) {
    posix_spawn_file_actions_addopen(&actions_, fd, "/dev/null", O_RDONLY, 0);
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

absl::StatusOr<std::string> ReadToEnd(int fd) {
  std::string all;
  char buffer[4096];
  for (;;) {
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got == 0) return all;
    if (got > 0) {
      all.append(buffer, static_cast<size_t>(got));
    } else if (errno != EINTR) {
      return absl::ErrnoToStatus(errno, "read");
    }
  }
}

}  // namespace

absl::StatusOr<Child> Child::Spawn(const std::vector<std::string>& argv, bool input) {
  Child child;
  UniqueFd in, out, err;
  absl::Status status = OpenPipe(&child.out_, &out);
  status.Update(OpenPipe(&child.err_, &err));
  if (input) status.Update(OpenPipe(&in, &child.in_));
  if (!status.ok()) return status;
  FileActions actions;
  if (input) {
    actions.Dup(in.get(), STDIN_FILENO);
  } else {
    actions.OpenNull(STDIN_FILENO);
  }
  actions.Dup(out.get(), STDOUT_FILENO);
  actions.Dup(err.get(), STDERR_FILENO);
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const int error = posix_spawn(&child.pid_, arguments[0], actions.get(), nullptr, arguments.data(),
                                CleanEnvironment());
  if (error != 0) {
    child.pid_ = -1;
    return absl::ErrnoToStatus(error, argv[0]);
  }
  return child;
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      in_(std::move(other.in_)),
      out_(std::move(other.out_)),
      err_(std::move(other.err_)) {}

Child::~Child() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

absl::StatusOr<std::string> Child::Finish() {
  in_.reset();
  auto rest = ReadToEnd(out_.get());
  if (!rest.ok()) return rest;
  const auto errors = ReadToEnd(err_.get());
  if (!errors.ok()) return errors.status();
  int status = 0;
  if (waitpid(std::exchange(pid_, -1), &status, 0) < 0) return absl::ErrnoToStatus(errno, "wait");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return absl::InternalError(
        absl::StrCat("the child ended with wait status ", status, " ", *errors));
  }
  return rest;
}

char* const* CleanEnvironment() { return const_cast<char* const*>(kEnvironment); }

}  // namespace nacre::bench
