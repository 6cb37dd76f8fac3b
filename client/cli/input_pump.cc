#include "client/cli/input_pump.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "client/cli/report.h"

namespace nacre::cli {
namespace {

constexpr size_t kReadBytes = 256 << 10;

// Waits for input. Returns what read(2) returns, with errno.
ssize_t Read(std::string* buffer) {
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, buffer->data(), buffer->size());
    if (count >= 0 || (errno != EINTR && errno != EAGAIN)) return count;
    // Somebody made our input non-blocking.
    pollfd waiting{.fd = STDIN_FILENO, .events = POLLIN};
    (void)::poll(&waiting, 1, -1);
  }
}

void Pump(client::Process& process, Stop stop, std::atomic<bool>& failed) {
  std::string buffer(kReadBytes, '\0');
  for (;;) {
    const ssize_t count = Read(&buffer);
    if (count < 0) {
      failed = true;
      Report("cannot read standard input: " + std::generic_category().message(errno));
      (void)(process.*stop)();
      return;
    }
    // An error means that the command takes no more; its end says why.
    if (count == 0) {
      (void)process.CloseInput();
      return;
    }
    const std::string_view data(buffer.data(), static_cast<size_t>(count));
    if (!process.WriteInput(data).ok()) return;
  }
}

}  // namespace

// The thread is detached: it may sit in read(2) on an idle terminal, from which nothing wakes it.
InputPump::InputPump(std::shared_ptr<client::Process> process, Stop stop)
    : failed_(std::make_shared<std::atomic<bool>>(false)) {
  std::thread([process = std::move(process), stop, failed = failed_] {
    Pump(*process, stop, *failed);
  }).detach();
}

}  // namespace nacre::cli
