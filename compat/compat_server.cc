#include "compat/compat_server.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "compat/connection.h"

namespace nacre::compat {
namespace {

// Threads that read and write the spool.
constexpr size_t kDiskThreads = 2;

}  // namespace

// One listener and its connections.
class CompatServer::Port : private AcceptLoop::Receiver {
 public:
  Port(Services& services, FdBudget& descriptors, Connection::Listener listener,
       std::function<void()> on_closed)
      : services_(services),
        descriptors_(descriptors),
        listener_(std::move(listener)),
        on_closed_(std::move(on_closed)),
        accept_loop_(services.loop, *this) {}

  void Listen(UniqueFd socket) {
    accept_loop_.Listen(listener_.options.address, std::move(socket));
  }

  void Drain() {
    accept_loop_.Stop();
    ForEach(&Connection::Drain);
  }
  void Close() { ForEach(&Connection::Close); }

  bool empty() const { return connections_.empty(); }

 private:
  using Connections = std::list<std::shared_ptr<Connection>>;

  // A connection may leave while it is called.
  void ForEach(void (Connection::*method)()) {
    for (auto it = connections_.begin(); it != connections_.end();) {
      const std::shared_ptr<Connection> connection = *it++;
      ((*connection).*method)();
    }
  }

  // Beyond a bound a connection is closed at once: its client sees that, and does not hang.
  void OnConnection(const Address& /*listener*/, UniqueFd socket) override {
    std::optional<FdBudget::Share> descriptor = MakeRoom();
    if (!descriptor.has_value()) {
      log::Warning("%s: a connection is refused: %d are open", listener_.options.ToString(),
                   connections_.size());
      return;
    }
    const auto place = connections_.insert(connections_.end(), nullptr);
    const auto connection = std::make_shared<Connection>(
        services_, listener_, *std::move(descriptor), std::move(socket), [this, place] {
          connections_.erase(place);
          on_closed_();
        });
    *place = connection;
    connection->Start();
  }

  void OnShortage() override { CloseUntried(); }

  std::optional<FdBudget::Share> MakeRoom() {
    const auto take = [this]() -> std::optional<FdBudget::Share> {
      if (connections_.size() >= listener_.options.max_connections) return std::nullopt;
      return descriptors_.Take(1);
    };
    std::optional<FdBudget::Share> share = take();
    if (!share.has_value() && CloseUntried()) share = take();
    return share;
  }

  // The oldest connection that has not sent a whole request makes way.
  bool CloseUntried() {
    const auto it = std::find_if(connections_.begin(), connections_.end(),
                                 [](const auto& connection) { return connection->untried(); });
    if (it == connections_.end()) return false;
    const std::shared_ptr<Connection> connection = *it;
    connection->Close();
    return true;
  }

  Services& services_;
  FdBudget& descriptors_;
  const Connection::Listener listener_;
  const std::function<void()> on_closed_;
  Connections connections_;
  AcceptLoop accept_loop_;
};

absl::StatusOr<std::unique_ptr<CompatServer>> CompatServer::Create(asio::io_context& loop,
                                                                   Executor& executor,
                                                                   size_t descriptors,
                                                                   std::string spool_dir,
                                                                   uint64_t spool_bytes) {
  auto spool = Spool::Open(std::move(spool_dir), spool_bytes);
  if (!spool.ok()) return spool.status();
  return std::unique_ptr<CompatServer>(
      new CompatServer(loop, executor, descriptors, *std::move(spool)));
}

CompatServer::CompatServer(asio::io_context& loop, Executor& executor, size_t descriptors,
                           std::shared_ptr<Spool> spool)
    : connections_(descriptors - descriptors / 4),
      files_(descriptors / 4),
      disk_(kDiskThreads),
      services_{loop, executor, files_, std::move(spool), disk_} {}

CompatServer::~CompatServer() = default;

absl::Status CompatServer::Listen(const CompatListener& options, UniqueFd socket) {
  Connection::Listener listener{.options = options, .secret = {}};
  if (!options.secret_file.empty()) {
    auto secret = Secret::Load(options.secret_file);
    if (!secret.ok()) return secret.status();
    listener.secret = *std::move(secret);
  }
  ports_.push_back(std::make_unique<Port>(services_, connections_, std::move(listener),
                                          [this] { CheckEmpty(); }));
  ports_.back()->Listen(std::move(socket));
  return absl::OkStatus();
}

void CompatServer::Drain(std::function<void()> on_empty) {
  on_empty_ = std::move(on_empty);
  for (const auto& port : ports_) port->Drain();
  CheckEmpty();
}

void CompatServer::Shutdown() {
  for (const auto& port : ports_) port->Close();
  disk_.join();
}

void CompatServer::CheckEmpty() {
  if (on_empty_ == nullptr) return;
  const bool empty =
      std::all_of(ports_.begin(), ports_.end(), [](const auto& port) { return port->empty(); });
  if (empty) std::exchange(on_empty_, nullptr)();
}

}  // namespace nacre::compat
