#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace nacre {
namespace {

absl::StatusOr<Address> ParseUnix(std::string_view path) {
  if (path.empty() || path.front() != '/') {
    return absl::InvalidArgumentError(
        absl::StrCat("unix:", std::string(path), ": the path of a Unix socket must be absolute"));
  }
  if (path.size() >= sizeof(sockaddr_un{}.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("unix:", std::string(path),
                                                   ": the path of a Unix socket is at most ",
                                                   sizeof(sockaddr_un{}.sun_path) - 1, " bytes"));
  }
  return Address{.kind = Address::Kind::kUnix, .path = std::string(path), .host = {}};
}

}  // namespace

absl::StatusOr<Address> Address::Parse(std::string_view text) {
  if (text.starts_with("unix:")) return ParseUnix(text.substr(5));
  const auto malformed = [&](std::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("\"", std::string(text),
                                                   "\" is no address: ", std::string(why),
                                                   " (expected unix:PATH or HOST:PORT)"));
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return malformed("it has no port");
  std::string host(text.substr(0, colon));
  uint32_t port;
  if (!absl::SimpleAtoi(std::string(text.substr(colon + 1)), &port) || port > 65535) {
    return malformed("the port is not a number from 0 to 65535");
  }
  if (host == "localhost") host = "127.0.0.1";
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  in6_addr v6;
  in_addr v4;
  if (inet_pton(AF_INET, host.c_str(), &v4) != 1 && inet_pton(AF_INET6, host.c_str(), &v6) != 1) {
    return malformed("the host is not a numeric IP address");
  }
  if (char usual[INET6_ADDRSTRLEN]; inet_pton(AF_INET6, host.c_str(), &v6) == 1) {
    host = inet_ntop(AF_INET6, &v6, usual, sizeof(usual));  // of its many spellings the usual one
  }
  return Address{.kind = Kind::kTcp, .path = {}, .host = host, .port = static_cast<uint16_t>(port)};
}

std::string Address::ToString() const {
  if (kind == Kind::kUnix) return absl::StrCat("unix:", path);
  return absl::StrContains(host, ':') ? absl::StrCat("[", host, "]:", port)
                                      : absl::StrCat(host, ":", port);
}

bool Address::IsLoopback() const {
  return kind == Kind::kUnix || host == "::1" || absl::StartsWith(host, "127.");
}

}  // namespace nacre
