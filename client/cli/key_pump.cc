#include "client/cli/key_pump.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>

namespace nacre::cli {
namespace {

constexpr size_t kWaitingKeys = 64 << 10;

// Keys on their way from one thread to the other.
class KeyQueue {
 public:
  // Waits for room.
  void Put(std::string_view keys) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_.size() < kWaitingKeys; });
    waiting_ += keys;
    changed_.notify_all();
  }

  // Waits for some.
  std::string Take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !waiting_.empty(); });
    changed_.notify_all();
    return std::exchange(waiting_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;
};

void Read(EscapeKeys& keys, const KeyPump::Act& act, const std::function<void()>& gone,
          KeyQueue& queue) {
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      gone();
      return;
    }
    for (const EscapeKeys::Piece& piece : keys.Take({buffer.data(), static_cast<size_t>(count)})) {
      if (const auto* action = std::get_if<EscapeAction>(&piece)) {
        act(*action);
      } else {
        queue.Put(std::get<std::string>(piece));
      }
    }
  }
}

}  // namespace

// Detached, as InputPump's thread is.
KeyPump::KeyPump(std::shared_ptr<client::Process> process, EscapeKeys keys, Act act,
                 std::function<void()> gone) {
  auto queue = std::make_shared<KeyQueue>();
  std::thread([queue, process = std::move(process)] {
    while (process->WriteInput(queue->Take()).ok()) continue;
  }).detach();
  std::thread([queue, keys = std::move(keys), act = std::move(act),
               gone = std::move(gone)]() mutable {
    Read(keys, act, gone, *queue);
  }).detach();
}

}  // namespace nacre::cli
