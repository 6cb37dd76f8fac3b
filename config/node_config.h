#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace nacre {

// What an operator asks of a node, as text: by a file, over which the command line goes. What the
// values mean is checked by who uses them. Value.
struct NodeConfig {
  // The file's keys. Each is also an option of nacred, with '-' for '_'.
  std::vector<std::string> listen;  // unix:PATH or HOST:PORT
  std::vector<std::string>
      compat;  // as CompatListener::Parse takes it; in the file [[compat]] tables
  std::vector<std::string> run_as;
  // As ParseLabel takes them; in the file a [labels] table, whose option is --label.
  std::vector<std::string> labels;
  std::string state_dir, front;
  std::string files;                     // nacre-files, or "off"
  std::string front_user, socket_group;  // empty: none is named
  std::string cgroup = "auto", drain_timeout = "30s", spool_limit = "16G", log_level = "info";
  std::string stream_idle_timeout = "0s";
  bool insecure_loopback = false;

  // Reads a TOML file; what it leaves out is as in `defaults`. INVALID_ARGUMENT names file, line
  // and what is wrong, for a key that does not exist with the nearest right one. PERMISSION_DENIED:
  // others than this process's user and root could have written it.
  static absl::StatusOr<NodeConfig> Load(const std::string& path, NodeConfig defaults);

  // INVALID_ARGUMENT names a key that has a control character, or is empty but has to say
  // something.
  absl::Status Check() const;

  // The file that would say all this, whatever the defaults are where it is read.
  std::string ToToml() const;
};

}  // namespace nacre
