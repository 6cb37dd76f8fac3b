#include "client/cli/key_pump.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>

#include "client/cli/descriptors.h"

namespace nacre::cli {
namespace {

constexpr size_t kWaitingKeys = 64 << 10;

// Keys on their way from one thread to the other.
class KeyQueue {
 public:
  // Returns false if there is no room.
  bool Put(std::string_view keys) {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() + keys.size() > kWaitingKeys) return false;
    waiting_ += keys;
    changed_.notify_one();
    return true;
  }

  // Waits for some.
  std::string Take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !waiting_.empty(); });
    return std::exchange(waiting_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;
};

void Read(EscapeKeys& keys, const std::function<void(EscapeAction)>& act, KeyQueue& queue) {
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      (void)::kill(::getpid(), SIGHUP);
      return;
    }
    for (const EscapeKeys::Piece& piece : keys.Take({buffer.data(), static_cast<size_t>(count)})) {
      if (const auto* action = std::get_if<EscapeAction>(&piece)) {
        act(*action);
      } else if (!queue.Put(std::get<std::string>(piece))) {
        (void)WriteAll(STDERR_FILENO, "\a");
      }
    }
  }
}

}  // namespace

// Detached, as InputPump's thread is.
KeyPump::KeyPump(std::shared_ptr<client::Process> process, EscapeKeys keys,
                 std::function<void(EscapeAction)> act) {
  auto queue = std::make_shared<KeyQueue>();
  std::thread([queue, process = std::move(process)] {
    while (process->WriteInput(queue->Take()).ok()) continue;
  }).detach();
  std::thread([queue, keys = std::move(keys), act = std::move(act)]() mutable {
    Read(keys, act, *queue);
  }).detach();
}

}  // namespace nacre::cli
