#include "executor/spawn_error.h"

#include <errno.h>
#include <gtest/gtest.h>

#include "executor/errors.h"

namespace nacre {
namespace {

using absl::StatusCode;

absl::Status ErrorOf(keeper::v1::SpawnStep step, int error) {
  keeper::v1::SpawnFailed failure;
  failure.set_step(step);
  failure.set_error(static_cast<uint32_t>(error));
  return SpawnError(failure, "/opt/\x1b[31mtool", "/nowhere");
}

TEST(SpawnErrorTest, EveryFailureHasTheContractsCodeAndReason) {
  const struct {
    keeper::v1::SpawnStep step;
    int error;
    StatusCode code;
    const char* reason;
  } cases[] = {
      {keeper::v1::SPAWN_STEP_EXEC, ENOENT, StatusCode::kNotFound, "COMMAND_NOT_FOUND"},
      {keeper::v1::SPAWN_STEP_EXEC, EACCES, StatusCode::kFailedPrecondition,
       "COMMAND_NOT_EXECUTABLE"},
      {keeper::v1::SPAWN_STEP_EXEC, ENOEXEC, StatusCode::kFailedPrecondition,
       "COMMAND_NOT_EXECUTABLE"},
      {keeper::v1::SPAWN_STEP_EXEC, E2BIG, StatusCode::kInvalidArgument, "INVALID_FIELD"},
      {keeper::v1::SPAWN_STEP_EXEC, ENOMEM, StatusCode::kResourceExhausted, "NODE_RESOURCES"},
      {keeper::v1::SPAWN_STEP_INTERPRETER, ENOENT, StatusCode::kFailedPrecondition,
       "COMMAND_NOT_EXECUTABLE"},
      {keeper::v1::SPAWN_STEP_CHDIR, ENOENT, StatusCode::kInvalidArgument, "INVALID_FIELD"},
      {keeper::v1::SPAWN_STEP_AUDIT, 0, StatusCode::kUnavailable, "AUDIT_UNAVAILABLE"},
      {keeper::v1::SPAWN_STEP_RESOURCES, 0, StatusCode::kResourceExhausted, "NODE_RESOURCES"},
      {keeper::v1::SPAWN_STEP_SHUTDOWN, 0, StatusCode::kUnavailable, "DRAINING"},
  };
  for (const auto& c : cases) {
    const absl::Status status = ErrorOf(c.step, c.error);
    EXPECT_EQ(status.code(), c.code) << status;
    EXPECT_EQ(ErrorReason(status), c.reason) << status;
  }
  EXPECT_EQ(ErrorField(ErrorOf(keeper::v1::SPAWN_STEP_CHDIR, ENOENT)), "command.cwd");
}

TEST(SpawnErrorTest, NamesInMessagesCannotDriveATerminal) {
  const std::string message(ErrorOf(keeper::v1::SPAWN_STEP_EXEC, ENOENT).message());
  EXPECT_EQ(message.find('\x1b'), std::string::npos) << message;
  EXPECT_NE(message.find("command not found"), std::string::npos);
}

}  // namespace
}  // namespace nacre
