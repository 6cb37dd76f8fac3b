#include "net/accept_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <chrono>
#include <cstring>

#include "base/log.h"

namespace nacre {
namespace {

constexpr auto kRetry = std::chrono::milliseconds(50);
// Connections accepted in one turn of the loop.
constexpr int kAcceptsPerTurn = 64;

int OpenReserve() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace

AcceptLoop::AcceptLoop(asio::io_context& loop, Receiver& receiver)
    : loop_(loop), receiver_(receiver), reserve_(OpenReserve()) {}

void AcceptLoop::Listen(const Address& address, UniqueFd socket) {
  listeners_.push_back(std::make_shared<Listener>(
      Listener{address, asio::posix::stream_descriptor(loop_, socket.release()),
               asio::steady_timer(loop_)}));
  AwaitConnection(listeners_.back());
}

void AcceptLoop::AwaitConnection(const Handle& listener) {
  listener->socket.async_wait(
      asio::posix::stream_descriptor::wait_read,
      [this, weak = std::weak_ptr<Listener>(listener)](std::error_code error) {
        const Handle handle = weak.lock();
        if (!error && handle != nullptr) AcceptAll(handle);
      });
}

void AcceptLoop::AcceptAll(const Handle& listener) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    UniqueFd socket(
        accept4(listener->socket.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid()) {
      if (errno == EAGAIN) break;
      if (errno == ECONNABORTED || errno == EINTR) continue;
      OnFailure(listener, errno);
      return;
    }
    receiver_.OnConnection(listener->address, std::move(socket));
  }
  AwaitConnection(listener);
}

void AcceptLoop::OnFailure(const Handle& listener, int error) {
  log::Warning("%s: accept: %s", listener->address.ToString(), strerror(error));
  receiver_.OnShortage();
  reserve_.reset();
  UniqueFd(accept4(listener->socket.native_handle(), nullptr, nullptr, SOCK_CLOEXEC)).reset();
  reserve_.reset(OpenReserve());
  listener->retry.expires_after(kRetry);
  listener->retry.async_wait(
      [this, weak = std::weak_ptr<Listener>(listener)](std::error_code wait_error) {
        const Handle handle = weak.lock();
        if (!wait_error && handle != nullptr) AcceptAll(handle);
      });
}

}  // namespace nacre
