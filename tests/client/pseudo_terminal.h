// A terminal for programs that a test runs.
#ifndef NACRE_TESTS_CLIENT_PSEUDO_TERMINAL_H_
#define NACRE_TESTS_CLIENT_PSEUDO_TERMINAL_H_

#include <sys/types.h>
#include <termios.h>

#include <string>
#include <vector>

namespace nacre::client {

class PseudoTerminal {
 public:
  PseudoTerminal();
  ~PseudoTerminal();
  PseudoTerminal(const PseudoTerminal&) = delete;
  PseudoTerminal& operator=(const PseudoTerminal&) = delete;

  int fd() const { return slave_; }
  termios settings() const;
  void SetSettings(const termios& settings) const;

  // Starts a program with the terminal as its descriptors 0 to 2: in a process group of its own, or
  // with `controlling` in a session of its own, which the terminal controls.
  pid_t Start(const std::vector<std::string>& words, bool controlling = false) const;

  void Type(const std::string& keys) const;

  // Reads what is written to it up to the first `text`, and returns what was not returned yet.
  std::string ReadUntil(const std::string& text);

 private:
  int master_ = -1;
  int slave_ = -1;
  std::string unread_;
};

}  // namespace nacre::client

#endif  // NACRE_TESTS_CLIENT_PSEUDO_TERMINAL_H_
