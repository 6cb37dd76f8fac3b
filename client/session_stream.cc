#include "client/session_stream.h"

#include <utility>

namespace nacre::client {
namespace {

using Stub = v1::ShellService::Stub;

void Convert(v1::AttachRequest* from, v1::AttachRequest* to) { to->Swap(from); }

void Convert(v1::AttachRequest* from, v1::ExecRequest* to) {
  switch (from->request_case()) {
    case v1::AttachRequest::kInput:
      return to->mutable_input()->Swap(from->mutable_input());
    case v1::AttachRequest::kResize:
      return to->mutable_resize()->Swap(from->mutable_resize());
    case v1::AttachRequest::kSignal:
      return to->mutable_signal()->Swap(from->mutable_signal());
    case v1::AttachRequest::kAck:
      return to->mutable_ack()->Swap(from->mutable_ack());
    case v1::AttachRequest::kDetach:
      to->mutable_detach();
      return;
    case v1::AttachRequest::kCancel:
      to->mutable_cancel();
      return;
    default:  // `attach` has no place in an Exec.
      return;
  }
}

template <typename Request, typename Response>
class StreamOf final : public SessionStream {
 public:
  using Call = grpc::ClientReaderWriter<Request, Response>;
  using Method = std::unique_ptr<Call> (Stub::*)(grpc::ClientContext*);

  StreamOf(const std::shared_ptr<grpc::Channel>& channel, Method method, Request first)
      : stub_(v1::ShellService::NewStub(channel)), method_(method), first_(std::move(first)) {}
  ~StreamOf() override { context_.TryCancel(); }

  bool Open() override {
    // The call's headers leave together with the first message, and nobody waits for them.
    context_.set_initial_metadata_corked(true);
    call_ = (stub_.get()->*method_)(&context_);
    const bool sent = call_->Write(first_);
    first_.Clear();
    return sent;
  }

  bool Write(v1::AttachRequest request) override {
    Request converted;
    Convert(&request, &converted);
    return call_->Write(converted);
  }

  bool Read() override { return call_->Read(&response_); }
  const Events& events() const override { return response_.events(); }
  grpc::Status Finish() override { return call_->Finish(); }
  void Cancel() override { context_.TryCancel(); }

 private:
  const std::unique_ptr<Stub> stub_;
  const Method method_;
  Request first_;
  Response response_;
  grpc::ClientContext context_;
  std::unique_ptr<Call> call_;
};

using ExecStream = StreamOf<v1::ExecRequest, v1::ExecResponse>;
using AttachStream = StreamOf<v1::AttachRequest, v1::AttachResponse>;

}  // namespace

std::shared_ptr<SessionStream> SessionStream::Make(const std::shared_ptr<grpc::Channel>& channel,
                                                   const Opening& opening) {
  if (const auto* start = std::get_if<v1::Start>(&opening)) {
    v1::ExecRequest first;
    *first.mutable_start() = *start;
    return std::make_shared<ExecStream>(channel, &Stub::Exec, std::move(first));
  }
  v1::AttachRequest first;
  *first.mutable_attach() = std::get<v1::Attach>(opening);
  return std::make_shared<AttachStream>(channel, &Stub::Attach, std::move(first));
}

}  // namespace nacre::client
