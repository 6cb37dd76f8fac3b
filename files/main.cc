// nacre-files: opens and changes files as the user who runs it, for a front.

#include <errno.h>
#include <google/protobuf/stubs/logging.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <string>

#include "base/log.h"
#include "base/seqpacket.h"
#include "files/file_service.h"
#include "nacre/files/v1/files.pb.h"

namespace nacre::files {
namespace {

constexpr int kChannelFd = 0;
// Between tries while too many descriptors are on their way: the channel does not tell when they
// have come.
constexpr int kRetryMs = 10;

void Wait(short events, int timeout_ms) {
  pollfd channel{.fd = kChannelFd, .events = events};
  poll(&channel, 1, timeout_ms);
}

// Waits for room. Not ok: nobody is there any more.
absl::Status SendAll(const Answer& answer) {
  const std::string bytes = answer.reply.SerializeAsString();
  std::vector<int> fds;
  if (answer.fd.valid()) fds.push_back(answer.fd.get());
  for (bool waited = false;; waited = true) {
    absl::Status sent = seqpacket::Send(kChannelFd, bytes, fds);
    if (!absl::IsUnavailable(sent)) return sent;
    if (waited) Wait(0, kRetryMs);
    Wait(POLLOUT, -1);
  }
}

// Until the front closes the channel; the exit status.
int Serve() {
  FileService service;
  for (;;) {
    const auto datagram = seqpacket::Receive(kChannelFd);
    if (absl::IsOutOfRange(datagram.status())) return 0;
    if (!datagram.ok()) {
      log::Error("channel: %s", std::string(datagram.status().message()));
      return 1;
    }
    if (!datagram->has_value()) {
      Wait(POLLIN, -1);
      continue;
    }
    v1::Request request;
    if (!request.ParseFromString((*datagram)->bytes)) {
      log::Error("the front sent what is no request");
      return 1;
    }
    if (!SendAll(service.Handle(request)).ok()) return 0;
  }
}

// What a process that nobody looks after needs.
void Prepare() {
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#ifndef __SANITIZE_ADDRESS__  // which looks for leaks from another process
  // Its user may stop and kill it, but not make it another program: it runs outside the sessions'
  // cgroups.
  prctl(PR_SET_DUMPABLE, 0);
#endif
  prctl(PR_SET_NAME, "nacre-files");  // it is run by descriptor
  const rlimit none{};
  setrlimit(RLIMIT_CORE, &none);
  // A copy that grows beyond the user's limit is an error like others.
  signal(SIGXFSZ, SIG_IGN);
  // What relative paths count from; where it can't be entered, from /.
  const char* home = getenv("HOME");
  if (home != nullptr && chdir(home) != 0) log::Info("%s: %s", home, strerror(errno));
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

int Main(int argc, char** argv) {
  CLI::App app("Nacre's helper that opens files as one user. Started by nacred.", "nacre-files");
  app.set_version_flag("--version", "nacre-files " NACRE_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  log::Init("nacre-files", log::Level::kInfo);
  google::protobuf::SetLogHandler(nullptr);
  struct stat channel;
  if (fstat(kChannelFd, &channel) != 0 || !S_ISSOCK(channel.st_mode)) {
    log::Error("nacre-files is started by nacred, not by hand");
    return 2;
  }
  Prepare();
  return Serve();
}

}  // namespace
}  // namespace nacre::files

int main(int argc, char** argv) { return nacre::files::Main(argc, argv); }
