// From the wire's Node to ours.
#ifndef NACRE_CLIENT_NODE_INFO_H_
#define NACRE_CLIENT_NODE_INFO_H_

#include "nacre/client.h"
#include "nacre/v1/node.pb.h"

namespace nacre::client {

NodeInfo FromWire(const v1::Node& wire);

}  // namespace nacre::client

#endif  // NACRE_CLIENT_NODE_INFO_H_
