#include "bench/nacre_calls.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/commands.h"

namespace nacre::bench {
namespace {

absl::Status CheckSuccess(const client::Termination& termination) {
  const auto* exited = std::get_if<client::Exited>(&termination.result);
  if (exited != nullptr && exited->code == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("the command failed: ", std::string(client::CauseName(termination.cause))));
}

// Follows a process to its end; hands over each piece of output.
template <typename OnOutput>
absl::Status Follow(client::Process& process, OnOutput on_output) {
  for (;;) {
    const auto event = process.Next();
    if (!event.ok()) return event.status();
    if (const auto* output = std::get_if<client::Output>(&*event)) on_output(output->data);
    if (const auto* end = std::get_if<client::Terminated>(&*event)) {
      return CheckSuccess(end->termination);
    }
  }
}

absl::Status Feed(client::Process& process, uint64_t bytes) {
  const std::string piece(kInputPiece, 'x');
  for (uint64_t sent = 0; sent < bytes;) {
    const uint64_t size = std::min<uint64_t>(piece.size(), bytes - sent);
    if (absl::Status status = process.WriteInput({piece.data(), size}); !status.ok()) return status;
    sent += size;
  }
  return process.CloseInput();
}

}  // namespace

absl::Status ExecTrue(client::Client& client, const std::string& user) {
  client::Command command;
  command.argv = TrueCommand();
  command.run_as_user = user;
  auto process = client.Exec(command);
  if (!process.ok()) return process.status();
  return Follow(**process, [](std::string_view) {});
}

absl::Status RunTrue(client::Client& client) {
  client::Command command;
  command.argv = TrueCommand();
  const auto result = client.Run(command);
  if (!result.ok()) return result.status();
  return CheckSuccess(result->termination);
}

absl::Status StreamOut(client::Client& client, uint64_t bytes) {
  client::Command command;
  command.argv = OutputCommand(bytes);
  auto process = client.Exec(command);
  if (!process.ok()) return process.status();
  uint64_t taken = 0;
  absl::Status status =
      Follow(**process, [&taken](std::string_view data) { taken += data.size(); });
  if (!status.ok() || taken == bytes) return status;
  return absl::DataLossError(absl::StrCat("Nacre: ", taken, " bytes of ", bytes, " came"));
}

absl::Status StreamIn(client::Client& client, uint64_t bytes) {
  client::Command command;
  command.argv = InputCommand();
  command.input = true;
  auto process = client.Exec(command);
  if (!process.ok()) return process.status();
  absl::Status fed;
  std::thread feeder([&] { fed = Feed(**process, bytes); });
  std::string printed;
  absl::Status status =
      Follow(**process, [&printed](std::string_view data) { printed.append(data); });
  feeder.join();
  if (!status.ok()) return status;
  if (!fed.ok()) return fed;
  return CheckCount(printed, bytes);
}

}  // namespace nacre::bench
