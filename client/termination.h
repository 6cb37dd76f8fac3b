// From the wire's Termination to ours.
#ifndef NACRE_CLIENT_TERMINATION_H_
#define NACRE_CLIENT_TERMINATION_H_

#include "absl/time/time.h"
#include "nacre/client.h"
#include "nacre/v1/session.pb.h"

namespace nacre::client {

Termination FromWire(const v1::Termination& wire);

absl::Time FromWire(const google::protobuf::Timestamp& wire);

}  // namespace nacre::client

#endif  // NACRE_CLIENT_TERMINATION_H_
