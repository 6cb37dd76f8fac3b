#include "client/cli/ping.h"

#include <iostream>
#include <string>

#include "absl/time/time.h"
#include "client/cli/exit_status.h"
#include "client/cli/report.h"
#include "nacre/client.h"

namespace nacre::cli {
namespace {

std::string Rounded(absl::Duration duration) {
  return absl::FormatDuration(absl::Trunc(duration, absl::Microseconds(1)));
}

}  // namespace

int RunPing(const PingArguments& arguments) {
  const auto client = client::Client::Connect({.target = arguments.common.host});
  const auto first = client.ok() ? (*client)->Ping() : client.status();
  const auto second = first.ok() ? (*client)->Ping() : first.status();
  if (!second.ok()) {
    Report(second.status());
    return kExitFailure;
  }
  if (arguments.common.verbosity > 0) Report("connected in " + Rounded(*first));
  std::cout << (*client)->target() << " serves, round trip " << Rounded(*second) << std::endl;
  return std::cout.good() ? 0 : kExitFailure;
}

}  // namespace nacre::cli
