#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

// The commands that both sides of every comparison run.
namespace nacre::bench {

// Does nothing.
std::vector<std::string> TrueCommand();
// Writes `bytes` zeros to its standard output.
std::vector<std::string> OutputCommand(uint64_t bytes);
// Reads its standard input to the end and prints how many bytes that were.
std::vector<std::string> InputCommand();

// Has the shell run `text`.
std::vector<std::string> ShellCommand(const std::string& text);
// What the shell is given to do nothing, and to write `bytes` zeros to its standard output.
inline constexpr char kTrueText[] = "true";
std::string OutputText(uint64_t bytes);

// The client that was built with us, beside us, doing `verb` on the node that we measure
// ($NACRE_HOST).
std::vector<std::string> NacreCommand(const std::string& verb);

// DATA_LOSS unless InputCommand printed `bytes`.
absl::Status CheckCount(const std::string& printed, uint64_t bytes);

// Input is sent in pieces of this size, by both sides.
inline constexpr size_t kInputPiece = 64 * 1024;

}  // namespace nacre::bench
