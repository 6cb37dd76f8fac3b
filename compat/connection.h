#pragma once

#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/unique_fd.h"
#include "compat/command_run.h"
#include "compat/dialect.h"
#include "compat/reply_sender.h"
#include "compat/services.h"
#include "config/compat_listener.h"
#include "config/secret_file.h"
#include "net/fd_budget.h"

namespace nacre::compat {

// A connection of an old client: any number of requests, one after the other, each answered before
// the next is looked at. Loop only.
//
//   proving: only with a secret; the answer to our challenge has to come first
//   reading ──request──▶ running ──output──▶ sending ──┬─▶ reading
//      │ refused: sending, then                        ├─▶ closed: FIN has come
//      └──▶ parting ◀──────────────── the node drains ─┘
//
// Parting: our FIN is sent; what still comes is dropped for a while, so that no reset overtakes the
// last reply.
//
// A reset closes it in every state, and ends its command.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // What all connections of a listener share.
  struct Listener {
    CompatListener options;
    // What callers have to prove, if anything.
    std::optional<Secret> secret;
  };

  // Whoever holds it.
  class Owner {
   public:
    virtual ~Owner() = default;
    // It may be forgotten. Called once.
    virtual void OnClosed(const Connection& connection) = 0;
    // Requests hold all the memory that they may: closes another connection that waits for the rest
    // of one. False: there is none.
    virtual bool FreeRequestMemory(const Connection& for_whom) = 0;
  };

  // `serial` tells connections apart and counts up. Services, listener and owner outlive it.
  Connection(Services& services, Owner& owner, uint64_t serial, const Listener& listener,
             FdBudget::Share descriptor, asio::posix::stream_descriptor socket);

  void Start();
  // Ends after the reply that is under way; at once when there is none.
  void Drain();
  // Ends at once, with its command.
  void Close();
  uint64_t serial() const { return serial_; }
  const Listener& listener() const { return listener_; }
  // Which connection makes way when there are too many: the least one, of equal ones the oldest.
  enum class Standing { kUnproven, kUntried, kServed };
  Standing standing() const;
  // Whether it waits for the rest of a request.
  bool holds_request() const { return state_ == State::kReading && !buffer_.empty(); }

 private:
  enum class State { kProving, kReading, kRunning, kSending, kParting, kClosed };
  using Clock = std::chrono::steady_clock;

  void WatchForReset();
  // Calls `then` at `time`, unless the state changes or the timer is set again before.
  void SetTimer(Clock::time_point time, std::function<void()> then);
  // Calls `then` when there is something to receive and the state is still this one.
  void AwaitReadable(std::function<void()> then);
  void Challenge();
  void OnAnswer();
  void AwaitRequest();
  void Decode(Arrival arrival);
  void AwaitBytes(bool silence_decides);
  void OnReadable();
  void OnSilence();
  bool Receive(size_t most);
  void Consume(size_t bytes);
  bool TakeMemory();
  void Execute(std::string command);
  void OnResult(CommandRun::Result result);
  void SendText(const std::string& text);
  void SendReply(uint64_t bytes, Reply reply);
  void OnSent(bool ok);
  void ArmWriteTimeout();
  void Reset();
  void Refuse(const Decoded& refused);
  void Part();
  void DropBytes();

  Services& services_;
  Owner& owner_;
  const uint64_t serial_;
  const Listener& listener_;
  const CompatListener& options_;
  const Dialect& dialect_;
  FdBudget::Share descriptor_;
  asio::posix::stream_descriptor socket_;

  Identity identity_;
  std::string challenge_;
  State state_ = State::kReading;
  std::unique_ptr<RequestDecoder> decoder_;
  // What has come and is not consumed.
  std::string buffer_;
  size_t buffer_taken_ = 0;            // of Services::request_bytes_left
  bool ended_ = false;                 // their FIN has come
  bool leaving_ = false;               // ends after the reply under way
  bool parting_ = false;               // the reply under way refuses what came
  bool untried_ = true;                // no command has come yet
  std::function<void()> on_readable_;  // set while something waits
  asio::steady_timer timer_;
  // Until when the next request is to be whole.
  Clock::time_point request_deadline_ = Clock::time_point::max();
  std::shared_ptr<CommandRun> run_;
  std::shared_ptr<ReplySender> sender_;
};

}  // namespace nacre::compat
