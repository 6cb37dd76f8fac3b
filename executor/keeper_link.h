#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/ring_layout.h"
#include "base/unique_fd.h"
#include "nacre/keeper/v1/keeper.pb.h"

namespace nacre {

// The shared memory of all sessions, as a front sees it. Thread-safe: addresses only.
class SharedRings {
 public:
  static absl::StatusOr<std::unique_ptr<SharedRings>> Map(int output_fd, int input_fd);
  ~SharedRings();

  const SlotHeader& header(uint32_t slot) const;
  const OrderEntry* order(uint32_t slot) const;
  const char* ring(uint32_t slot, uint32_t stream) const;
  char* input(uint32_t slot) const;

 private:
  SharedRings() = default;

  const char* output_ = nullptr;
  char* input_ = nullptr;
  size_t output_bytes_ = 0, input_bytes_ = 0;
};

// The executor's one way to the keeper. Send may be called from any thread; events arrive on the
// loop.
class KeeperLink {
 public:
  // The descriptor is that of a LogOpened.
  using EventHandler = std::function<void(const keeper::v1::KeeperEvent&, UniqueFd)>;

  virtual ~KeeperLink() = default;
  // Queues a request; requests of one thread arrive in order. `record_fd` is the memfd of a big
  // spawn.
  virtual void Send(const keeper::v1::FrontRequest& request, UniqueFd record_fd = UniqueFd()) = 0;
  // Calls `then`, on the loop, once what was sent so far is the keeper's, which hears it even if
  // this process is no more: at once unless something waits for room in the channel. Loop only.
  virtual void WhenSent(std::function<void()> then) = 0;
  // What the keeper said at the start.
  virtual const keeper::v1::Welcome& welcome() const = 0;
  virtual const SharedRings& rings() const = 0;
};

// The link over the channel that a keeper hands its front.
class SeqpacketKeeperLink : public KeeperLink {
 public:
  // What comes with the welcome.
  struct Sockets {
    // In the order of welcome().listeners().
    std::vector<UniqueFd> listeners;
    // Directory for this process's files, if welcome().spool().
    UniqueFd spool;
  };

  // Greets the keeper and waits for its welcome: blocks for at most 10 s.
  static absl::StatusOr<std::unique_ptr<SeqpacketKeeperLink>> Connect(UniqueFd channel,
                                                                      const std::string& version,
                                                                      asio::io_context& loop,
                                                                      Sockets* sockets);

  // Begins to deliver events on the loop. `on_closed` is called once when the keeper is gone.
  void Run(EventHandler on_event, std::function<void()> on_closed);

  void Send(const keeper::v1::FrontRequest& request, UniqueFd record_fd) override;
  void WhenSent(std::function<void()> then) override;
  const keeper::v1::Welcome& welcome() const override { return welcome_; }
  const SharedRings& rings() const override { return *rings_; }

 private:
  struct Outgoing {
    std::string bytes;
    UniqueFd fd;
    // To be called once it is sent.
    std::vector<std::function<void()>> then;
  };

  SeqpacketKeeperLink(UniqueFd channel, asio::io_context& loop)
      : channel_(loop, channel.release()) {}

  void AwaitReadable();
  void OnReadable();
  void AwaitWritable();
  void SendQueued();

  asio::posix::stream_descriptor channel_;
  keeper::v1::Welcome welcome_;
  std::unique_ptr<SharedRings> rings_;
  // Set before Run, then constant.
  EventHandler on_event_;
  std::function<void()> on_closed_;

  absl::Mutex mutex_;
  // What the channel had no room for. Bounded by what sessions may have under way.
  std::deque<Outgoing> queue_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre
