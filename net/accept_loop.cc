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
  listeners_.push_back(Listener{address, asio::posix::stream_descriptor(loop_, socket.release()),
                                asio::steady_timer(loop_)});
  AwaitConnection(listeners_.back());
}

void AcceptLoop::AwaitConnection(Listener& listener) {
  listener.socket.async_wait(asio::posix::stream_descriptor::wait_read,
                             [this, &listener](std::error_code error) {
                               if (!error) AcceptAll(listener);
                             });
}

void AcceptLoop::AcceptAll(Listener& listener) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    UniqueFd socket(
        accept4(listener.socket.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid()) {
      if (errno == EAGAIN) break;
      if (errno == ECONNABORTED || errno == EINTR) continue;
      OnFailure(listener, errno);
      return;
    }
    receiver_.OnConnection(listener.address, std::move(socket));
  }
  AwaitConnection(listener);
}

void AcceptLoop::OnFailure(Listener& listener, int error) {
  log::Warning("%s: accept: %s", listener.address.ToString(), strerror(error));
  receiver_.OnShortage();
  reserve_.reset();
  UniqueFd(accept4(listener.socket.native_handle(), nullptr, nullptr, SOCK_CLOEXEC)).reset();
  reserve_.reset(OpenReserve());
  listener.retry.expires_after(kRetry);
  listener.retry.async_wait([this, &listener](std::error_code wait_error) {
    if (!wait_error) AcceptAll(listener);
  });
}

}  // namespace nacre
