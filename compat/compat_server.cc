#include "compat/compat_server.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace nacre::compat {
namespace {

// Threads that read and write the spool.
constexpr size_t kDiskThreads = 2;
// Of the descriptors half are for connections and half for replies: at least some connections, and
// two files.
constexpr size_t kLeastFds = 4;
// Lines about connections that were refused.
constexpr uint64_t kLogBurst = 10;
constexpr int64_t kLogPeriodNs = 10'000'000'000;

}  // namespace

// One listener.
class CompatServer::Port : private AcceptLoop::Receiver {
 public:
  Port(CompatServer& server, asio::io_context& loop, Connection::Listener listener, bool serves)
      : server_(server),
        listener_(std::move(listener)),
        serves_(serves),
        accept_loop_(loop, *this) {}

  void Listen(UniqueFd socket) {
    accept_loop_.Listen(listener_.options.address, std::move(socket));
  }
  void Stop() { accept_loop_.Stop(); }

  const Connection::Listener& listener() const { return listener_; }
  uint64_t connections = 0;

 private:
  void OnConnection(const Address& /*listener*/, UniqueFd socket) override {
    if (serves_) server_.Accept(*this, std::move(socket));
  }
  void OnShortage() override { server_.MakeWay(nullptr); }

  CompatServer& server_;
  const Connection::Listener listener_;
  const bool serves_;
  AcceptLoop accept_loop_;
};

CompatServer::CompatServer(asio::io_context& loop, Executor& executor, size_t descriptors,
                           UniqueFd spool, uint64_t spool_bytes)
    : connection_fds_(std::max(descriptors / 2, kLeastFds)),
      file_fds_(std::max(descriptors / 2, kLeastFds)),
      disk_(kDiskThreads),
      services_{loop, executor, file_fds_, nullptr, disk_},
      refused_log_(kLogBurst, kLogPeriodNs) {
  if (spool.valid()) {
    services_.spool = Spool::In(std::move(spool), spool_bytes);
  } else {
    log::Error("old clients are not served: the spool's directory is missing");
  }
}

CompatServer::~CompatServer() = default;

void CompatServer::Listen(const CompatListener& options, std::optional<Secret> secret,
                          UniqueFd socket) {
  Connection::Listener listener{.options = options, .secret = std::move(secret)};
  const bool serves = services_.spool != nullptr;
  ports_.push_back(std::make_unique<Port>(*this, services_.loop, std::move(listener), serves));
  ports_.back()->Listen(std::move(socket));
}

void CompatServer::Drain(std::function<void()> on_empty) {
  on_empty_ = std::move(on_empty);
  for (const auto& port : ports_) port->Stop();
  ForEach(&Connection::Drain);
  if (connections_.empty() && on_empty_ != nullptr) std::exchange(on_empty_, nullptr)();
}

void CompatServer::Shutdown() {
  ForEach(&Connection::Close);
  disk_.join();
}

// A connection may leave while it is called.
void CompatServer::ForEach(void (Connection::*method)()) {
  for (auto it = connections_.begin(); it != connections_.end();) {
    const std::shared_ptr<Connection> connection = (it++)->second;
    ((*connection).*method)();
  }
}

// Beyond a bound a connection is closed at once: its client sees that, and does not hang.
void CompatServer::Accept(Port& port, UniqueFd socket) {
  std::optional<FdBudget::Share> descriptor = MakeRoom(port);
  if (!descriptor.has_value()) {
    if (refused_log_.Admit()) {
      log::Warning("%s: connections are refused: %d are open, %d of them here (%d lines skipped)",
                   port.listener().options.ToString(), connections_.size(), port.connections,
                   refused_log_.skipped());
    }
    return;
  }
  asio::posix::stream_descriptor stream(services_.loop);
  std::error_code error;
  stream.assign(socket.get(), error);
  if (error) return;
  (void)socket.release();
  const uint64_t serial = next_serial_++;
  Connection::Owner& owner = *this;
  const auto connection = std::make_shared<Connection>(services_, owner, serial, port.listener(),
                                                       *std::move(descriptor), std::move(stream));
  connections_.emplace(serial, connection);
  ++port.connections;
  connection->Start();
}

std::optional<FdBudget::Share> CompatServer::MakeRoom(const Port& port) {
  if (port.connections >= port.listener().options.max_connections && !MakeWay(&port)) {
    return std::nullopt;
  }
  std::optional<FdBudget::Share> share = connection_fds_.Take(1);
  if (!share.has_value() && MakeWay(nullptr)) share = connection_fds_.Take(1);
  return share;
}

// Closes a connection that can be spared, of this port or of any. False: all have been served.
bool CompatServer::MakeWay(const Port* port) {
  using Standing = Connection::Standing;
  for (const Standing standing : {Standing::kUnproven, Standing::kUntried}) {
    for (const auto& [serial, entry] : connections_) {
      if (entry->standing() != standing) continue;
      if (port != nullptr && &entry->listener() != &port->listener()) continue;
      const std::shared_ptr<Connection> connection = entry;
      connection->Close();
      return true;
    }
  }
  return false;
}

void CompatServer::OnClosed(const Connection& connection) {
  for (const auto& port : ports_) {
    if (&port->listener() == &connection.listener()) --port->connections;
  }
  connections_.erase(connection.serial());
  if (connections_.empty() && on_empty_ != nullptr) std::exchange(on_empty_, nullptr)();
}

bool CompatServer::FreeRequestMemory(const Connection& for_whom) {
  for (const auto& [serial, entry] : connections_) {
    if (!entry->holds_request() || entry.get() == &for_whom) continue;
    if (refused_log_.Admit()) {
      log::Warning("unfinished requests hold all the memory they may: the oldest are closed");
    }
    const std::shared_ptr<Connection> connection = entry;
    connection->Close();
    return true;
  }
  return false;
}

}  // namespace nacre::compat
