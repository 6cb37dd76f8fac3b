#include "client/target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "nacre/client.h"

namespace nacre::client {
namespace {

absl::Status Invalid(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is no target: ", why, " (unix:PATH or HOST:PORT)"));
}

// gRPC takes a target for a URI and decodes it: a '%' in a socket's path must not reach it bare.
std::string PercentEncode(absl::string_view text) {
  std::string encoded;
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
        absl::string_view("/._~-:").find(c) != absl::string_view::npos) {
      encoded.push_back(c);
    } else {
      absl::StrAppendFormat(&encoded, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

std::optional<in_addr> ParseIpv4(const std::string& host) {
  in_addr address{};
  if (inet_pton(AF_INET, host.c_str(), &address) != 1) return std::nullopt;
  return address;
}

std::optional<in6_addr> ParseIpv6(const std::string& host) {
  in6_addr address{};
  if (inet_pton(AF_INET6, host.c_str(), &address) != 1) return std::nullopt;
  return address;
}

absl::StatusOr<Target> ParseUnix(absl::string_view text, absl::string_view path) {
  if (path.empty()) return Invalid(text, "the path is empty");
  if (path.size() >= sizeof(sockaddr_un::sun_path)) return Invalid(text, "the path is too long");
  if (path.find('\0') != absl::string_view::npos) return Invalid(text, "the path holds a NUL");
  return Target{.path = std::string(path)};
}

absl::StatusOr<Target> ParseTcp(absl::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return Invalid(text, "there is no port");
  Target target;
  if (!absl::SimpleAtoi(text.substr(colon + 1), &target.port) || target.port < 1 ||
      target.port > 65535) {
    return Invalid(text, "the port is not a number from 1 to 65535");
  }
  absl::string_view host = text.substr(0, colon);
  const bool bracketed = absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]");
  target.host = std::string(host);
  if (bracketed != ParseIpv6(target.host).has_value()) {
    return Invalid(text, "an IPv6 address, and only that, stands in brackets");
  }
  if (host.empty()) return Invalid(text, "there is no host");
  if (!bracketed && host.find_first_of(":/[]@ ") != absl::string_view::npos) {
    return Invalid(text, "the host holds a character that no host has");
  }
  return target;
}

absl::string_view Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? absl::string_view() : absl::string_view(value);
}

}  // namespace

std::string Target::ToString() const {
  if (!path.empty()) return absl::StrCat("unix:", path);
  if (ParseIpv6(host)) return absl::StrCat("[", host, "]:", port);
  return absl::StrCat(host, ":", port);
}

std::string Target::ToGrpcUri() const {
  if (!path.empty()) return absl::StrCat("unix:", PercentEncode(path));
  if (ParseIpv4(host)) return absl::StrCat("ipv4:", ToString());
  if (ParseIpv6(host)) return absl::StrCat("ipv6:", PercentEncode(ToString()));
  return absl::StrCat("dns:///", PercentEncode(ToString()));
}

bool Target::IsLocal() const {
  if (!path.empty()) return true;
  if (const auto v4 = ParseIpv4(host)) return (ntohl(v4->s_addr) >> 24) == 127;
  if (const auto v6 = ParseIpv6(host)) return IN6_IS_ADDR_LOOPBACK(&*v6);
  return host == "localhost";
}

absl::StatusOr<Target> ParseTarget(const std::string& text) {
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "unix:")) return ParseUnix(text, rest);
  return ParseTcp(text);
}

std::string DefaultTarget() {
  if (const absl::string_view host = Environment("NACRE_HOST"); !host.empty()) {
    return std::string(host);
  }
  const absl::string_view runtime = getuid() == 0 ? "" : Environment("XDG_RUNTIME_DIR");
  return absl::StrCat("unix:", runtime.empty() ? "/run" : runtime, "/nacre/nacred.sock");
}

}  // namespace nacre::client
