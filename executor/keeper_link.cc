#include "executor/keeper_link.h"

#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <asio/post.hpp>

#include "base/log.h"
#include "base/seqpacket.h"

namespace nacre {
namespace {

constexpr uint32_t kProtocolVersion = 3;
constexpr int kWelcomeTimeoutMs = 10'000;
// Datagrams taken in one turn of the loop.
constexpr int kDatagramsPerTurn = 32;

absl::StatusOr<size_t> SizeOf(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) return absl::ErrnoToStatus(errno, "arena");
  return static_cast<size_t>(info.st_size);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SharedRings>> SharedRings::Map(int output_fd, int input_fd) {
  std::unique_ptr<SharedRings> rings(new SharedRings);
  auto output_bytes = SizeOf(output_fd);
  auto input_bytes = SizeOf(input_fd);
  if (!output_bytes.ok()) return output_bytes.status();
  if (!input_bytes.ok()) return input_bytes.status();
  rings->output_bytes_ = *output_bytes;
  rings->input_bytes_ = *input_bytes;
  void* output = mmap(nullptr, *output_bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE, output_fd, 0);
  if (output == MAP_FAILED) return absl::ErrnoToStatus(errno, "mapping the output arena");
  rings->output_ = static_cast<const char*>(output);
  void* input =
      mmap(nullptr, *input_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, input_fd, 0);
  if (input == MAP_FAILED) return absl::ErrnoToStatus(errno, "mapping the input arena");
  rings->input_ = static_cast<char*>(input);
  return rings;
}

SharedRings::~SharedRings() {
  if (output_ != nullptr) munmap(const_cast<char*>(output_), output_bytes_);
  if (input_ != nullptr) munmap(input_, input_bytes_);
}

const SlotHeader& SharedRings::header(uint32_t slot) const {
  return *reinterpret_cast<const SlotHeader*>(output_ + HeaderOffset(slot));
}

const OrderEntry* SharedRings::order(uint32_t slot) const {
  return reinterpret_cast<const OrderEntry*>(output_ + OrderOffset(slot));
}

const char* SharedRings::ring(uint32_t slot, uint32_t stream) const {
  return output_ + RingOffset(slot, stream);
}

char* SharedRings::input(uint32_t slot) const { return input_ + InputOffset(slot); }

absl::StatusOr<std::unique_ptr<SeqpacketKeeperLink>> SeqpacketKeeperLink::Connect(
    UniqueFd channel, const std::string& version, asio::io_context& loop, Sockets* sockets) {
  const int fd = channel.get();
  std::unique_ptr<SeqpacketKeeperLink> link(new SeqpacketKeeperLink(std::move(channel), loop));
  keeper::v1::FrontRequest hello;
  hello.mutable_hello()->set_protocol_version(kProtocolVersion);
  hello.mutable_hello()->set_version(version);
  link->Send(hello, UniqueFd());
  pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
  if (poll(&readable, 1, kWelcomeTimeoutMs) != 1) {
    return absl::DeadlineExceededError("the keeper does not answer");
  }
  auto received = seqpacket::Receive(fd);
  if (!received.ok()) return received.status();
  keeper::v1::KeeperMessage message;
  if (!received->has_value() || !message.ParseFromString((*received)->bytes) ||
      message.events_size() < 1 || !message.events(0).has_welcome()) {
    return absl::InternalError("the keeper's first word is no welcome");
  }
  link->welcome_ = message.events(0).welcome();
  std::vector<UniqueFd>& fds = (*received)->fds;
  if (fds.size() !=
      2 + static_cast<size_t>(link->welcome_.listeners_size()) + (link->welcome_.spool() ? 1 : 0)) {
    return absl::InternalError("the keeper's welcome lacks descriptors");
  }
  auto rings = SharedRings::Map(fds[0].get(), fds[1].get());
  if (!rings.ok()) return rings.status();
  link->rings_ = *std::move(rings);
  if (link->welcome_.spool()) {
    sockets->spool = std::move(fds.back());
    fds.pop_back();
  }
  for (size_t i = 2; i < fds.size(); ++i) sockets->listeners.push_back(std::move(fds[i]));
  return link;
}

void SeqpacketKeeperLink::Run(EventHandler on_event, std::function<void()> on_closed) {
  on_event_ = std::move(on_event);
  on_closed_ = std::move(on_closed);
  AwaitReadable();
}

void SeqpacketKeeperLink::AwaitReadable() {
  channel_.async_wait(asio::posix::stream_descriptor::wait_read, [this](std::error_code error) {
    if (!error) OnReadable();
  });
}

void SeqpacketKeeperLink::OnReadable() {
  for (int i = 0; i < kDatagramsPerTurn; ++i) {
    auto received = seqpacket::Receive(channel_.native_handle());
    keeper::v1::KeeperMessage message;
    if (received.ok() && !received->has_value()) break;
    if (!received.ok() || !message.ParseFromString((*received)->bytes)) {
      log::Error("the keeper is gone");
      on_closed_();
      return;
    }
    // What comes with a descriptor comes alone.
    UniqueFd fd;
    if (!(*received)->fds.empty()) fd = std::move((*received)->fds[0]);
    for (const auto& event : message.events()) on_event_(event, std::exchange(fd, UniqueFd()));
  }
  AwaitReadable();
}

void SeqpacketKeeperLink::Send(const keeper::v1::FrontRequest& request, UniqueFd record_fd) {
  keeper::v1::FrontMessage message;
  *message.add_requests() = request;
  Outgoing outgoing{.bytes = message.SerializeAsString(), .fd = std::move(record_fd), .then = {}};
  absl::MutexLock lock(&mutex_);
  queue_.push_back(std::move(outgoing));
  if (queue_.size() == 1) SendQueued();
}

void SeqpacketKeeperLink::WhenSent(std::function<void()> then) {
  {
    absl::MutexLock lock(&mutex_);
    if (!queue_.empty()) {
      queue_.back().then.push_back(std::move(then));
      return;
    }
  }
  then();
}

// Sends as much as the channel takes, then waits for room. A broken channel is seen by the reader.
void SeqpacketKeeperLink::SendQueued() {
  mutex_.AssertHeld();
  while (!queue_.empty()) {
    std::vector<int> fds;
    if (queue_.front().fd.valid()) fds.push_back(queue_.front().fd.get());
    if (absl::IsUnavailable(seqpacket::Send(channel_.native_handle(), queue_.front().bytes, fds))) {
      asio::post(channel_.get_executor(), [this] { AwaitWritable(); });
      return;
    }
    for (auto& then : queue_.front().then) {
      asio::post(channel_.get_executor(), std::move(then));
    }
    queue_.pop_front();
  }
}

void SeqpacketKeeperLink::AwaitWritable() {
  channel_.async_wait(asio::posix::stream_descriptor::wait_write, [this](std::error_code error) {
    if (error) return;
    absl::MutexLock lock(&mutex_);
    SendQueued();
  });
}

}  // namespace nacre
