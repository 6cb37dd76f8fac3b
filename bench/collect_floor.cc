#include "bench/collect_floor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/child.h"
#include "bench/commands.h"
#include "bench/io.h"
#include "bench/peers/framed_server.h"
#include "bench/tcp.h"

namespace nacre::bench {
namespace {

constexpr size_t kBufferBytes = 128 * 1024;

}  // namespace

absl::StatusOr<CollectFloor> CollectFloor::Create(const std::string& directory) {
  UniqueFd file(open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file.valid()) return absl::ErrnoToStatus(errno, directory);
  const auto listener = LoopbackListener::Open();
  if (!listener.ok()) return listener.status();
  auto reader = ConnectTcp(listener->address());
  if (!reader.ok()) return reader.status();
  auto sender = listener->Accept();
  if (!sender.ok()) return sender.status();
  return CollectFloor(std::move(file), *std::move(sender), *std::move(reader));
}

absl::Status CollectFloor::Run(const std::string& command, uint64_t bytes) {
  absl::Status sent, taken;
  std::thread reader([&] { taken = TakeFrame(reader_.get(), bytes); });
  sent = Collect(command, bytes);
  if (sent.ok()) sent = Send(bytes);
  // Else the reader would wait.
  if (!sent.ok()) shutdown(sender_.get(), SHUT_RDWR);
  reader.join();
  return sent.ok() ? taken : sent;
}

absl::Status CollectFloor::Collect(const std::string& command, uint64_t bytes) {
  auto child = Child::Spawn(ShellCommand(command));
  if (!child.ok()) return child.status();
  std::vector<char> buffer(kBufferBytes);
  uint64_t collected = 0;
  for (;;) {
    const ssize_t got = read(child->out(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, "read");
    if (got == 0) break;
    const auto size = static_cast<size_t>(got);
    if (absl::Status status = WriteAll(file_.get(), {buffer.data(), size}); !status.ok()) {
      return status;
    }
    collected += size;
  }
  if (auto rest = child->Finish(); !rest.ok()) return rest.status();
  if (collected == bytes) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(collected, " bytes were collected instead of ", bytes));
}

absl::Status CollectFloor::Send(uint64_t bytes) {
  absl::Status status = WriteAll(sender_.get(), FrameLength(bytes));
  off_t position = 0;
  while (status.ok() && static_cast<uint64_t>(position) < bytes) {
    const ssize_t sent =
        sendfile(sender_.get(), file_.get(), &position, bytes - static_cast<uint64_t>(position));
    if (sent == 0) status = absl::DataLossError("the file ended too early");
    if (sent < 0 && errno != EINTR) status = absl::ErrnoToStatus(errno, "sendfile");
  }
  return status;
}

}  // namespace nacre::bench
