// The nacre binary, run by a test.
#ifndef NACRE_TESTS_CLIENT_NACRE_PROCESS_H_
#define NACRE_TESTS_CLIENT_NACRE_PROCESS_H_

#include <sys/types.h>

#include <array>
#include <string>
#include <vector>

#include "tests/client/fake_node.h"

namespace nacre::client {

std::string ReadAll(int fd);

class Pipe {
 public:
  Pipe();
  ~Pipe();
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int reader() const { return fds_[0]; }
  int writer() const { return fds_[1]; }
  void CloseReader();
  void CloseWriter();

 private:
  std::array<int, 2> fds_{};
};

// One run of nacre, with pipes for its three descriptors. `redirection` is a shell's, e.g. ">&-".
class Nacre {
 public:
  explicit Nacre(const std::vector<std::string>& arguments, const std::string& redirection = "");
  ~Nacre();
  Nacre(const Nacre&) = delete;
  Nacre& operator=(const Nacre&) = delete;

  void Signal(int number) const;

  // Exit status, or minus the signal that killed it.
  int Wait();

  Pipe in;
  Pipe out;
  Pipe err;

 private:
  pid_t pid_ = -1;
};

struct Outcome {
  int status;
  std::string out;
  std::string err;
};

// Runs nacre to its end. Its output must fit into pipes.
Outcome RunNacre(const std::vector<std::string>& arguments, const std::string& redirection = "");

// Runs it with -H for a node that follows the script.
Outcome RunAgainst(ExecScript script, const std::vector<std::string>& arguments);
Outcome RunAgainst(Scripts scripts, const std::vector<std::string>& arguments);

}  // namespace nacre::client

#endif  // NACRE_TESTS_CLIENT_NACRE_PROCESS_H_
