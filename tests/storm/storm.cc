// nacre-storm: many short commands at once through the client library, each with an answer of its
// own. Counts answers that were lost, foreign or late, and wrong statuses; any of them is a
// failure.

#include <CLI/CLI.hpp>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/strings/str_format.h"
#include "nacre/client.h"

namespace nacre::client {
namespace {

struct Counts {
  std::atomic<int> next{0}, right{0}, wrong_output{0}, wrong_end{0}, errors{0};
};

void RunOne(Client& client, const std::string& program, int number, Counts& counts) {
  const std::string answer = absl::StrFormat("answer %d", number);
  Command command;
  command.argv = {program, answer};
  auto process = client.Exec(command);
  std::string output;
  for (;;) {
    auto event = process.ok() ? (*process)->Next() : process.status();
    if (!event.ok()) {
      if (counts.errors++ == 0) {
        absl::FPrintF(stderr, "first error: %s\n", event.status().ToString());
      }
      return;
    }
    if (const auto* chunk = std::get_if<Output>(&*event)) output.append(chunk->data);
    const auto* end = std::get_if<Terminated>(&*event);
    if (end == nullptr) continue;
    const auto* exited = std::get_if<Exited>(&end->termination.result);
    if (output != answer) {
      ++counts.wrong_output;
    } else if (exited == nullptr || exited->code != 0) {
      ++counts.wrong_end;
    } else {
      ++counts.right;
    }
    return;
  }
}

int Main(int argc, char** argv) {
  CLI::App app("Runs many short commands at once and verifies each answer.", "nacre-storm");
  int count = 1000, callers = 32;
  std::string program;
  app.add_option("--count", count, "Commands in all");
  app.add_option("--callers", callers, "Commands at once");
  app.add_option("program", program, "Program that writes its argument and exits")->required();
  CLI11_PARSE(app, argc, argv);

  Counts counts;
  auto client = Client::Connect({});
  if (!client.ok()) {
    absl::FPrintF(stderr, "nacre-storm: %s\n", client.status().ToString());
    return 2;
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < callers; ++i) {
    threads.emplace_back([&] {
      for (int number; (number = counts.next++) < count;) {
        RunOne(**client, program, number, counts);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  absl::PrintF("right %d, wrong output %d, wrong end %d, errors %d\n", counts.right.load(),
               counts.wrong_output.load(), counts.wrong_end.load(), counts.errors.load());
  return counts.right == count ? 0 : 1;
}

}  // namespace
}  // namespace nacre::client

int main(int argc, char** argv) { return nacre::client::Main(argc, argv); }
