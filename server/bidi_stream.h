#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <asio/post.hpp>
#include <chrono>
#include <utility>

#include "executor/errors.h"
#include "server/session_stream.h"
#include "server/status.h"

namespace nacre {

// A SessionStream over a bidirectional RPC. Deletes itself when the RPC is done.
//
//   gRPC thread: OnReadDone / OnWriteDone / OnCancel / OnDone ──post──▶ loop: everything else
template <typename Request, typename Response>
class BidiStream : public grpc::ServerBidiReactor<Request, Response>, protected SessionStream {
 public:
  // Begins to read. `executor` belongs to `loop`.
  BidiStream(asio::io_context& loop, Executor& executor, grpc::CallbackServerContext& context,
             Identity identity, int64_t idle_ns)
      : SessionStream(loop, executor, std::move(identity), idle_ns),
        loop_(loop),
        context_(context),
        half_close_timer_(loop) {
    half_close_timer_.expires_after(kFirstWait);
    half_close_timer_.async_wait([this](std::error_code error) {
      if (!error && !joined() && !finished()) Reject(InvalidField(FirstField(), "did not come"));
    });
    this->StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    asio::post(loop_, [this, ok] { HandleRead(ok); });
  }
  void OnWriteDone(bool ok) override {
    asio::post(loop_, [this, ok] { HandleWritten(ok); });
  }
  void OnCancel() override {
    asio::post(loop_, [this] { HandleLost(); });
  }
  void OnDone() override {
    asio::post(loop_, [this] { delete this; });
  }

 protected:
  // The first request, if it is what the RPC begins with.
  virtual absl::Status HandleFirst(const Request& request) = 0;
  virtual bool IsFirst(const Request& request) const = 0;
  // Its field's name.
  virtual const char* FirstField() const = 0;

 private:
  // A half-close is told from a lost connection by the cancellation that follows a loss at once,
  // but through other threads: long enough for a busy machine. (`Input.eof` needs no such wait.)
  static constexpr auto kHalfCloseWait = std::chrono::milliseconds(100);
  // How long a call may say nothing at all.
  static constexpr auto kFirstWait = std::chrono::seconds(10);

  void HandleRead(bool ok) {
    if (finished()) return;
    if (!joined()) half_close_timer_.cancel();
    if (!ok) {
      HandleHalfClose();
      return;
    }
    const bool first = !joined();
    if (absl::Status status = HandleRequest(first); !status.ok()) {
      Reject(status);
      return;
    }
    // What follows the first one is read once the command runs, so that no signal or input comes
    // too early.
    if (!first && !finished() && ready_to_read()) ReadNext();
  }

  absl::Status HandleRequest(bool first) {
    if (request_.request_case() == Request::REQUEST_NOT_SET) {
      return InvalidField("request", "is empty, or of a kind that this node does not know");
    }
    if (IsFirst(request_) != first) {
      return InvalidField(FirstField(), first ? "must be the first request" : "came a second time");
    }
    if (first) {
      // A big start is not kept.
      const Request request = std::exchange(request_, Request());
      return HandleFirst(request);
    }
    switch (request_.request_case()) {
      case Request::kInput:
        return HandleInput(std::move(*request_.mutable_input()));
      case Request::kSignal:
        return HandleSignal(request_.signal());
      case Request::kAck:
        return HandleAck(request_.ack());
      case Request::kDetach:
        return HandleDetach();
      case Request::kCancel:
        return HandleCancelRequest();
      case Request::kResize:
        return HandleResize(request_.resize());
      default:
        return absl::OkStatus();  // not reached: the first one, or none, is refused above
    }
  }

  void HandleHalfClose() {
    if (!joined()) {
      Reject(InvalidField(FirstField(), "the stream ended before it"));
      return;
    }
    half_close_timer_.expires_after(kHalfCloseWait);
    half_close_timer_.async_wait([this](std::error_code error) {
      if (!error && !context_.IsCancelled()) CloseInput();
    });
  }

  // --- SessionStream's side ---
  Events* NewEvents() override {
    response_.Clear();
    return response_.mutable_events();
  }
  void WriteEvents() override { this->StartWrite(&response_); }
  void WriteLastEvents() override {
    half_close_timer_.cancel();
    this->StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
  }
  void End(const absl::Status& status) override {
    half_close_timer_.cancel();
    this->Finish(ToGrpcStatus(status));
  }
  void ReadNext() override {
    request_.Clear();
    this->StartRead(&request_);
  }

  asio::io_context& loop_;
  grpc::CallbackServerContext& context_;

  // Loop only.
  Request request_;
  Response response_;
  asio::steady_timer half_close_timer_;
};

// One Exec.
class ExecReactor : public BidiStream<v1::ExecRequest, v1::ExecResponse> {
 public:
  using BidiStream::BidiStream;

 private:
  absl::Status HandleFirst(const v1::ExecRequest& request) override {
    return Start(request.start());
  }
  bool IsFirst(const v1::ExecRequest& request) const override { return request.has_start(); }
  const char* FirstField() const override { return "start"; }
};

// One Attach.
class AttachReactor : public BidiStream<v1::AttachRequest, v1::AttachResponse> {
 public:
  using BidiStream::BidiStream;

 private:
  absl::Status HandleFirst(const v1::AttachRequest& request) override {
    return Attach(request.attach());
  }
  bool IsFirst(const v1::AttachRequest& request) const override { return request.has_attach(); }
  const char* FirstField() const override { return "attach"; }
};

}  // namespace nacre
