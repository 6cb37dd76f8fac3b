#include "bench/copy_tools.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "bench/child.h"
#include "bench/commands.h"
#include "bench/measure.h"
#include "bench/peak_memory.h"
#include "bench/peers/ssh_setup.h"

namespace nacre::bench {
namespace {

constexpr char kScp[] = "/usr/bin/scp";
constexpr char kSftp[] = "/usr/bin/sftp";
constexpr char kRsync[] = "/usr/bin/rsync";

constexpr char kErrors[] = "errors";
constexpr char kBatch[] = "batch";
constexpr size_t kMostErrorBytes = 1000;

// Until it has ended; it stays to be reaped.
absl::Status AwaitEnd(pid_t pid) {
  siginfo_t ended;
  while (waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOWAIT) != 0) {
    if (errno != EINTR) return absl::ErrnoToStatus(errno, "waitid");
  }
  return absl::OkStatus();
}

std::string Remote(const std::string& path) { return absl::StrCat(SshSetup::kHost, ":", path); }

// What sftp is told.
std::string Batch(const CopyRequest& request) {
  return absl::StrCat(request.up ? "put" : "get", request.tree ? " -R" : "", " -p \"", request.from,
                      "\" \"", request.to, "\"\n");
}

}  // namespace

std::string NameOf(CopyTool tool) {
  switch (tool) {
    case CopyTool::kNacre:
      return "nacre cp";
    case CopyTool::kScp:
      return "scp";
    case CopyTool::kSftp:
      return "sftp";
    case CopyTool::kRsync:
      break;
  }
  return "rsync";
}

bool IsInstalled(CopyTool tool) {
  if (tool == CopyTool::kScp) return access(kScp, X_OK) == 0;
  if (tool == CopyTool::kSftp) return access(kSftp, X_OK) == 0;
  return tool == CopyTool::kNacre || access(kRsync, X_OK) == 0;
}

std::vector<std::string> CopyTools::Command(CopyTool tool, const CopyRequest& request) const {
  const auto& [up, tree, from, to] = request;
  std::vector<std::string> argv;
  switch (tool) {
    case CopyTool::kNacre:
      argv = NacreCommand("cp");
      argv.insert(argv.end(), {tree ? "-rp" : "-p", up ? from : ":" + from, up ? ":" + to : to});
      return argv;
    case CopyTool::kScp:
      return {kScp,
              "-q",
              tree ? "-rp" : "-p",
              "-F",
              ssh_configuration_,
              up ? from : Remote(from),
              up ? Remote(to) : to};
    case CopyTool::kSftp:
      return {kSftp, "-q", "-F", ssh_configuration_, "-b", scratch_.File(kBatch), SshSetup::kHost};
    case CopyTool::kRsync:
      break;
  }
  // With a slash after it, a directory's contents are copied.
  const std::string source = tree ? from + "/" : from;
  return {kRsync,
          "-a",
          "-e",
          absl::StrCat(SshSetup::kSsh, " -F '", ssh_configuration_, "'"),
          up ? source : Remote(source),
          up ? Remote(to) : to};
}

absl::StatusOr<CopyUsage> CopyTools::Copy(CopyTool tool, const CopyRequest& request,
                                          bool watches_memory) const {
  if (absl::Status status = scratch_.Write(kBatch, Batch(request)); !status.ok()) return status;
  const std::vector<std::string> command = Command(tool, request);
  CopyUsage usage;
  const auto seconds = SecondsOf([&] {
    const auto peak = Run(command, watches_memory);
    if (peak.ok()) usage.peak_memory = *peak;
    return peak.status();
  });
  if (!seconds.ok()) {
    const std::string errors = scratch_.Read(kErrors).value_or("");
    return absl::Status(seconds.status().code(),
                        absl::StrCat(NameOf(tool), ": ", seconds.status().message(), " ",
                                     errors.substr(0, kMostErrorBytes)));
  }
  usage.seconds = *seconds;
  return usage;
}

// What the tool says goes into a file: nobody has to read along. Returns its peak memory.
absl::StatusOr<uint64_t> CopyTools::Run(const std::vector<std::string>& command,
                                        bool watches_memory) const {
  std::vector<std::string> argv = {"/bin/sh", "-c", "exec \"$@\" >/dev/null 2>\"$0\"",
                                   scratch_.File(kErrors)};
  argv.insert(argv.end(), command.begin(), command.end());
  auto child = Child::Spawn(argv);
  if (!child.ok()) return child.status();
  uint64_t peak = 0;
  if (watches_memory) {
    PeakMemoryWatch watch(child->pid());
    if (absl::Status status = AwaitEnd(child->pid()); !status.ok()) return status;
    peak = watch.Stop();
  }
  if (const auto rest = child->Finish(); !rest.ok()) return rest.status();
  return peak;
}

}  // namespace nacre::bench
