// The last lines of an output.
#ifndef NACRE_CLIENT_CLI_TAIL_BUFFER_H_
#define NACRE_CLIENT_CLI_TAIL_BUFFER_H_

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

#include "nacre/client.h"

namespace nacre::cli {

// Keeps as much of what it is given as the last lines need, of both streams together, in order.
class TailBuffer {
 public:
  struct Piece {
    client::OutputStream stream = client::OutputStream::kStdout;
    std::string data;
    size_t lines = 0;  // That end in it.
  };

  explicit TailBuffer(size_t lines) : lines_(lines) {}

  void Add(client::OutputStream stream, std::string_view data);

  // The last lines; an unfinished one counts. Empties the buffer.
  std::deque<Piece> Take();

 private:
  const size_t lines_;
  size_t kept_ = 0;  // Lines that end in pieces_.
  std::deque<Piece> pieces_;
};

}  // namespace nacre::cli

#endif  // NACRE_CLIENT_CLI_TAIL_BUFFER_H_
