#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace nacre {

// Who is calling, however they proved it. Immutable value.
struct Identity {
  // As it stands in policy, audit and API: "uid:1000", "anonymous@127.0.0.1",
  // "secret:NAME@127.0.0.1" of who has proved a shared secret of that name.
  std::string name;
  // The caller's user id, where the kernel vouched for it.
  std::optional<uint32_t> uid;
  // The dialect they came by, e.g. "framed"; empty for the API.
  std::string dialect;

  static Identity Local(uint32_t uid) { return {"uid:" + std::to_string(uid), uid, {}}; }
  static Identity Anonymous(const std::string& address, std::string dialect = {}) {
    return {"anonymous@" + address, {}, std::move(dialect)};
  }
  static Identity SharedSecret(const std::string& name, const std::string& address,
                               std::string dialect) {
    return {"secret:" + name + "@" + address, {}, std::move(dialect)};
  }
};

}  // namespace nacre
