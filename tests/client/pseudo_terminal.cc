#include "tests/client/pseudo_terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <spawn.h>
#include <unistd.h>

#include <array>
#include <chrono>

namespace nacre::client {
namespace {

constexpr std::chrono::seconds kDeadline(30);

}  // namespace

PseudoTerminal::PseudoTerminal() {
  EXPECT_EQ(openpty(&master_, &slave_, nullptr, nullptr, nullptr), 0);
  for (const int fd : {master_, slave_}) fcntl(fd, F_SETFD, FD_CLOEXEC);
}

PseudoTerminal::~PseudoTerminal() {
  close(master_);
  close(slave_);
}

termios PseudoTerminal::settings() const {
  termios settings{};
  EXPECT_EQ(tcgetattr(slave_, &settings), 0);
  return settings;
}

void PseudoTerminal::SetSettings(const termios& settings) const {
  EXPECT_EQ(tcsetattr(slave_, TCSANOW, &settings), 0);
}

pid_t PseudoTerminal::Start(const std::vector<std::string>& words, bool controlling) const {
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  std::array<char, 64> name{};
  EXPECT_EQ(ttyname_r(slave_, name.data(), name.size()), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // The first terminal that the leader of a session opens controls it.
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, name.data(),
                                   O_RDWR | (controlling ? 0 : O_NOCTTY), 0);
  posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, controlling ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP);
  pid_t pid = -1;
  EXPECT_EQ(posix_spawn(&pid, argv[0], &actions, &attributes, argv.data(), environ), 0);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

void PseudoTerminal::Type(const std::string& keys) const {
  EXPECT_EQ(write(master_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
}

std::string PseudoTerminal::ReadUntil(const std::string& text) {
  for (;;) {
    if (const size_t found = unread_.find(text); found != std::string::npos) {
      std::string read = unread_.substr(0, found + text.size());
      unread_.erase(0, read.size());
      return read;
    }
    pollfd waiting{.fd = master_, .events = POLLIN};
    std::array<char, 4096> buffer;
    ssize_t count = 0;
    if (poll(&waiting, 1, std::chrono::milliseconds(kDeadline).count()) == 1) {
      count = read(master_, buffer.data(), buffer.size());
    }
    if (count <= 0) {
      ADD_FAILURE() << "no \"" << text << "\", but " << testing::PrintToString(unread_);
      return "";
    }
    unread_.append(buffer.data(), static_cast<size_t>(count));
  }
}

}  // namespace nacre::client
