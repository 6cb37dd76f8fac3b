#include "bench/peers/python_peer.h"

#include <unistd.h>

#include <utility>

#include "absl/status/status.h"
#include "base/address.h"

namespace nacre::bench {
namespace {

constexpr char kPython[] = "/usr/bin/python3";

}  // namespace

absl::StatusOr<std::unique_ptr<PythonPeer>> PythonPeer::Start() {
  if (access(kPython, X_OK) != 0) return absl::NotFoundError("not installed");
  auto process = PeerProcess::Start({kPython, NACRE_LEGACY_SERVER});
  if (!process.ok()) return process.status();
  const auto port = (*process)->ReadLine();
  if (!port.ok()) return port.status();
  auto address = Address::Parse("127.0.0.1:" + *port);
  if (!address.ok()) return address.status();
  return std::unique_ptr<PythonPeer>(new PythonPeer(*std::move(process), *std::move(address)));
}

}  // namespace nacre::bench
