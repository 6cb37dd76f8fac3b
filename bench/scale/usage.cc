#include "bench/scale/usage.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace nacre::bench {
namespace {

absl::Status AddProcess(uint32_t pid, Usage* usage) {
  const std::string directory = absl::StrCat("/proc/", pid);
  std::ifstream status(directory + "/status");
  bool found = false;
  for (std::string word; status >> word;) {
    uint64_t value = 0;
    if (word == "VmRSS:" && status >> value) {
      usage->rss_bytes += value * 1024;
      found = true;
    } else if (word == "Threads:" && status >> value) {
      usage->threads += value;
    }
  }
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory + "/fd", error), end;
       !error && entry != end; entry.increment(error)) {
    ++usage->descriptors;
  }
  if (found && !error) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("what process ", pid, " holds can't be seen; run this as root"));
}

}  // namespace

absl::StatusOr<Usage> UsageOf(client::Client& node) {
  const auto info = node.GetNode();
  if (!info.ok()) return info.status();
  Usage usage;
  for (const uint32_t pid : {info->daemon_pid, info->front_pid}) {
    if (absl::Status status = AddProcess(pid, &usage); !status.ok()) return status;
  }
  return usage;
}

}  // namespace nacre::bench
