#include "client/cli/tail_buffer.h"

#include <algorithm>
#include <utility>

namespace nacre::cli {

void TailBuffer::Add(client::OutputStream stream, std::string_view data) {
  const auto lines = static_cast<size_t>(std::count(data.begin(), data.end(), '\n'));
  pieces_.push_back({.stream = stream, .data = std::string(data), .lines = lines});
  kept_ += lines;
  // A piece can go when those behind it hold the last lines whole: one end more than there are.
  while (kept_ - pieces_.front().lines > lines_) {
    kept_ -= pieces_.front().lines;
    pieces_.pop_front();
  }
}

std::deque<TailBuffer::Piece> TailBuffer::Take() {
  std::deque<Piece> pieces = std::exchange(pieces_, {});
  const bool unfinished = !pieces.empty() && pieces.back().data.back() != '\n';
  const size_t lines = std::exchange(kept_, 0) + (unfinished ? 1 : 0);
  for (size_t excess = lines - std::min(lines, lines_); excess > 0 && !pieces.empty();) {
    Piece& first = pieces.front();
    const size_t end = first.data.find('\n');
    if (end != std::string::npos) --excess;
    first.data.erase(0, end == std::string::npos ? end : end + 1);
    if (first.data.empty()) pieces.pop_front();
  }
  return pieces;
}

}  // namespace nacre::cli
