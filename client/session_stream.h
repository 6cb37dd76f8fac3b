// One gRPC stream that follows a session.
#ifndef NACRE_CLIENT_SESSION_STREAM_H_
#define NACRE_CLIENT_SESSION_STREAM_H_

#include <google/protobuf/repeated_ptr_field.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <variant>

#include "nacre/v1/shell.grpc.pb.h"

namespace nacre::client {

// What a stream begins with: a command to run (Exec), or a session to follow (Attach). All that
// comes later is the same.
using Opening = std::variant<v1::Start, v1::Attach>;

// One Exec or Attach call. Open(), Read() and Finish() belong to one thread; Write() to one at a
// time, after Open(); Cancel() may be called at any time. Cancelled when destroyed.
class SessionStream {
 public:
  using Events = google::protobuf::RepeatedPtrField<v1::SessionEvent>;

  static std::shared_ptr<SessionStream> Make(const std::shared_ptr<grpc::Channel>& channel,
                                             const Opening& opening);

  virtual ~SessionStream() = default;

  // Sends the first message. False, as from the two below: the stream is over.
  virtual bool Open() = 0;
  virtual bool Write(v1::AttachRequest request) = 0;
  // Waits for the next events().
  virtual bool Read() = 0;
  virtual const Events& events() const = 0;
  // Why it is over.
  virtual grpc::Status Finish() = 0;
  virtual void Cancel() = 0;
};

}  // namespace nacre::client

#endif  // NACRE_CLIENT_SESSION_STREAM_H_
