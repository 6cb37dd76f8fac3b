#include "bench/commands.h"

#include <cstdlib>
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace nacre::bench {

std::vector<std::string> TrueCommand() { return {"/bin/true"}; }

std::vector<std::string> OutputCommand(uint64_t bytes) {
  return {"/usr/bin/head", "-c", absl::StrCat(bytes), "/dev/zero"};
}

std::vector<std::string> InputCommand() { return {"/usr/bin/wc", "-c"}; }

std::vector<std::string> ShellCommand(const std::string& text) {
  return {"/bin/sh", "-c", "--", text};
}

std::string OutputText(uint64_t bytes) { return absl::StrCat("head -c ", bytes, " /dev/zero"); }

std::vector<std::string> NacreCommand(const std::string& verb) {
  const std::string nacre = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "nacre";
  const char* host = std::getenv("NACRE_HOST");
  std::vector<std::string> argv = {nacre, verb};
  if (host != nullptr) argv.insert(argv.end(), {"--host", host});
  return argv;
}

absl::Status CheckCount(const std::string& printed, uint64_t bytes) {
  uint64_t count = 0;
  if (absl::SimpleAtoi(printed, &count) && count == bytes) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(bytes, " bytes were sent; the command counted ", printed));
}

}  // namespace nacre::bench
