#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "executor/command_spec.h"
#include "executor/file_request.h"
#include "executor/identity.h"

namespace nacre {

// Decides which identity may do what, and as whom. Thread-safe.
class Policy {
 public:
  virtual ~Policy() = default;
  // Name of the user that the command runs as; or PERMISSION_DENIED/POLICY_DENIED with the rule's
  // name and the remedy.
  virtual absl::StatusOr<std::string> CheckStart(const Identity& identity,
                                                 const CommandSpec& spec) const = 0;
  // Likewise of a request about files: name of the user with whose rights it is done.
  virtual absl::StatusOr<std::string> CheckFile(const Identity& identity,
                                                const FileRequest& request) const = 0;
  // Whether `identity` may do to the node itself what `verb` says, e.g. "drain": OK, or as above.
  virtual absl::Status CheckAdmin(const Identity& identity, const std::string& verb) const = 0;
  // Whether `identity` may do with a session of `owner` what it may do with its own. Who may not,
  // does not learn that there is one.
  virtual bool MayAccess(const Identity& identity, const Identity& owner) const = 0;
  // Whether a local user may call at all.
  virtual bool Admits(uint32_t uid) const = 0;
};

// A user of the node.
struct NodeUser {
  uint32_t uid;
  std::string name;
};

// The policy of a node without a policy file. The daemon's user and root may run commands as
// everybody whom the node may run commands as (its `run_as`); any other local user of those as
// themselves; callers without a name as the daemon's user, and only where the operator asked for
// what lets them in: plaintext loopback, or a dialect's listener. Whoever may run commands as a
// user may also do with files what that user may: a command could. The node itself is the business
// of the daemon's user and root alone; of who calls without a name nobody knows whether it is them.
class OwnerPolicy : public Policy {
 public:
  // `run_as`: the node's; the keeper checks it again.
  OwnerPolicy(NodeUser daemon, std::vector<NodeUser> run_as, bool insecure_loopback)
      : daemon_(std::move(daemon)),
        run_as_(std::move(run_as)),
        insecure_loopback_(insecure_loopback) {}
  absl::StatusOr<std::string> CheckStart(const Identity& identity,
                                         const CommandSpec& spec) const override;
  absl::StatusOr<std::string> CheckFile(const Identity& identity,
                                        const FileRequest& request) const override;
  absl::Status CheckAdmin(const Identity& identity, const std::string& verb) const override;
  // One's own; and all, for the daemon's user and root.
  bool MayAccess(const Identity& identity, const Identity& owner) const override;
  bool Admits(uint32_t uid) const override;

 private:
  bool IsOperator(const Identity& identity) const;
  // The user as whom `identity` acts, who asks for `run_as`. `what`: what that is about, for
  // people.
  absl::StatusOr<std::string> ChooseUser(const Identity& identity, const std::string& run_as,
                                         const char* what) const;

  const NodeUser daemon_;
  const std::vector<NodeUser> run_as_;
  const bool insecure_loopback_;
};

}  // namespace nacre
