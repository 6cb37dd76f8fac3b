#include "tests/client/nacre_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <utility>

namespace nacre::client {
namespace {

void Close(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

}  // namespace

std::string ReadAll(int fd) {
  std::string bytes;
  std::array<char, 4096> buffer;
  for (ssize_t n = 0; (n = read(fd, buffer.data(), buffer.size())) > 0;) {
    bytes.append(buffer.data(), static_cast<size_t>(n));
  }
  return bytes;
}

Pipe::Pipe() { EXPECT_EQ(pipe2(fds_.data(), O_CLOEXEC), 0); }

Pipe::~Pipe() {
  CloseReader();
  CloseWriter();
}

void Pipe::CloseReader() { Close(fds_[0]); }
void Pipe::CloseWriter() { Close(fds_[1]); }

Nacre::Nacre(const std::vector<std::string>& arguments, const std::string& redirection) {
  std::vector<std::string> words = {"/bin/sh", "-c", "exec \"$0\" \"$@\" " + redirection,
                                    NACRE_BINARY};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.reader(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.writer(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.writer(), STDERR_FILENO);
  EXPECT_EQ(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  out.CloseWriter();
  err.CloseWriter();
}

Nacre::~Nacre() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Nacre::Signal(int number) const { kill(pid_, number); }

int Nacre::Wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

Outcome RunNacre(const std::vector<std::string>& arguments, const std::string& redirection) {
  Nacre nacre(arguments, redirection);
  const int status = nacre.Wait();
  return {status, ReadAll(nacre.out.reader()), ReadAll(nacre.err.reader())};
}

Outcome RunAgainst(ExecScript script, const std::vector<std::string>& arguments) {
  return RunAgainst(Scripts{.exec = std::move(script)}, arguments);
}

Outcome RunAgainst(Scripts scripts, const std::vector<std::string>& arguments) {
  const FakeNode node(std::move(scripts));
  std::vector<std::string> words = {"-H", node.target()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return RunNacre(words);
}

}  // namespace nacre::client
