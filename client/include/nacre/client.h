// Nacre's C++ client: runs commands on a machine where nacred serves.
//
//   auto client = nacre::client::Client::Connect({});  // $NACRE_HOST, or the local node
//   if (!client.ok()) return client.status();
//   nacre::client::Command command;
//   command.argv = {"make", "-j4"};
//   auto process = (*client)->Exec(command);
//   if (!process.ok()) return process.status();
//   for (;;) {
//     auto event = (*process)->Next();
//     if (!event.ok()) return event.status();  // Nacre or the network failed
//     if (auto* output = std::get_if<nacre::client::Output>(&*event)) Show(output->data);
//     if (auto* end = std::get_if<nacre::client::Terminated>(&*event)) return Report(*end);
//   }
//
// A short command whose output fits in memory needs one call: `(*client)->Run(command)`.
//
// A status says whether Nacre did its work; how the command ended is said by its Termination alone.
// Statuses carry the node's code and message, and a reason for programs: see ErrorReason().
#ifndef NACRE_CLIENT_H_
#define NACRE_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace nacre::client {

// Where the node is when nobody says: $NACRE_HOST if it is set and not empty, else
// unix:$XDG_RUNTIME_DIR/nacre/nacred.sock if that variable is set and not empty, else
// unix:/run/nacre/nacred.sock.
std::string DefaultTarget();

// The machine-readable reason of an error that came from a node, e.g. "COMMAND_NOT_FOUND"; empty if
// there is none. The node's google.rpc.ErrorInfo, BadRequest and RetryInfo are kept whole as
// payloads of the status, under their type URLs ("type.googleapis.com/google.rpc.ErrorInfo").
std::string ErrorReason(const absl::Status& status);

// How a session is ended by Cancel(), by its timeout or by the loss of its caller: a first signal,
// time to obey, a last signal.
struct KillLadder {
  int first_signal = 15;                    // Linux number, 1 to 64.
  absl::Duration grace = absl::Seconds(5);  // 0 to 1 h.
  int last_signal = 9;                      // Linux number, 1 to 64.
};

// What the node does with the command when this client is lost without a Cancel().
enum class OnDisconnect {
  kKillAfterGrace,  // End it by the ladder 30 s later.
  kKill,            // End it by the ladder at once.
};

// What to run. Exactly one of `argv` and `shell_line` is set. Strings are bytes: they need not be
// UTF-8 (but for `shell_line`), and hold no NUL. The node refuses what it can't do with
// INVALID_ARGUMENT, naming the field.
struct Command {
  std::vector<std::string> argv;  // Program and arguments; the program is looked up in PATH.
  std::string shell_line;         // A line for /bin/sh -c instead; UTF-8.
  // Added to the node's clean base (PATH, HOME, USER, LOGNAME, SHELL, LANG, NACRE_SESSION_ID).
  std::map<std::string, std::string> env;
  std::string cwd;            // Absolute. Empty: the user's home.
  bool input = false;         // Whether it reads WriteInput(). False: it reads end of file.
  bool merge_stderr = false;  // Whether its standard error joins its standard output, in order.
  // Bound on its run time by the wall clock, kept by the node; at least 1 ms.
  absl::Duration timeout = absl::InfiniteDuration();
  KillLadder ladder;
  OnDisconnect on_disconnect = OnDisconnect::kKillAfterGrace;
};

enum class OutputStream { kStdout, kStderr };

// Why a session ended. How the process itself ended is said by Termination::result.
enum class Cause {
  kUnknown,      // A cause that this client is too old to know.
  kExited,       // It exited by itself.
  kSignaled,     // A signal that no rule of the session sent.
  kTimedOut,     // Its timeout passed.
  kCancelled,    // A caller cancelled it.
  kOutputLimit,  // It wrote more than its limit.
  kOutOfMemory,  // It ran out of memory.
  kNodeLost,     // The node lost it.
  kDisconnected  // The caller was lost.
};

// The name as the node's API has it, in lower case, e.g. "timed out".
std::string_view CauseName(Cause cause);

// The first process exited.
struct Exited {
  int code = 0;  // 0 to 255.
};

// A signal killed the first process.
struct Signaled {
  int number = 0;    // Linux number.
  std::string name;  // E.g. "SIGKILL".
  bool core_dumped = false;
};

// What one stream carried in all. Process has compared it with what it received.
struct StreamSummary {
  OutputStream stream = OutputStream::kStdout;
  uint64_t bytes = 0;
  std::string xxh3_128;  // 16 bytes, canonical (big-endian) form.
};

// What the command's processes used, as far as they were waited for.
struct ResourceUsage {
  absl::Duration user_time;
  absl::Duration system_time;
  uint64_t max_rss_bytes = 0;
};

// How a session ended.
struct Termination {
  std::variant<std::monostate, Exited, Signaled> result;  // monostate: the node doesn't know.
  Cause cause = Cause::kUnknown;
  std::string cancelled_by;  // Identity, with kCancelled.
  absl::Time start_time;     // By the node's wall clock.
  absl::Time end_time;       // By the node's wall clock.
  absl::Duration run_time;   // By the node's monotonic clock.
  ResourceUsage usage;
  std::vector<StreamSummary> streams;
  bool output_complete = false;   // Every stream was read to its end.
  bool output_held_open = false;  // Background children still held the output at the end.
};

// The command runs. First event.
struct Started {
  std::string session_id;
  std::string owner;      // Identity that the node gave the caller, e.g. "uid:1000".
  absl::Time start_time;  // By the node's wall clock.
};

// The command wrote.
struct Output {
  OutputStream stream = OutputStream::kStdout;
  uint64_t position = 0;  // Of the first byte, in the session's log of both streams together.
  std::string_view data;  // Never empty. Valid until the next call of Next().
};

// The session is over. Last event, after the last byte.
struct Terminated {
  Termination termination;
};

using Event = std::variant<Started, Output, Terminated>;

// One command on its way. Any thread may call any method at any time, but Next() belongs to one
// thread at a time, and none may be running when the object is destroyed. Destroying it before the
// last event ends the call: the node then does with the command as `on_disconnect` says.
class Process {
 public:
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  // Waits for the next event. The first call sends the command: before it nothing runs.
  //
  // Coming back for more says that the last output was taken: it is then acknowledged to the node
  // in due course, which stops holding it. The command waits for a caller that doesn't come back.
  //
  // Output is proven complete: positions without a gap, bytes and XXH3-128 of each stream as the
  // node counted them. Else the error is DATA_LOSS. Other errors before Started: the node's
  // (NOT_FOUND/COMMAND_NOT_FOUND, FAILED_PRECONDITION/COMMAND_NOT_EXECUTABLE, INVALID_ARGUMENT,
  // PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNIMPLEMENTED), UNAVAILABLE when there is no connection;
  // later: UNAVAILABLE when it is lost. CANCELLED after Abandon(). An error ends the process, as
  // Terminated does: FAILED_PRECONDITION from then on.
  absl::StatusOr<Event> Next();

  // Sends bytes to the command's standard input; waits until the node has room for them. Room is
  // announced by events, so another thread must be in Next(), or keep calling it, meanwhile.
  // FAILED_PRECONDITION without Command::input, after CloseInput() and once the command has ended
  // (also while waiting); UNAVAILABLE when the connection is lost.
  absl::Status WriteInput(std::string_view data);

  // The command reads end of file after what was written. Waits and fails as WriteInput.
  absl::Status CloseInput();

  // Sends a signal to the command, past any input that waits. `number`: Linux, 1 to 64.
  // FAILED_PRECONDITION before the command was sent and after its end.
  absl::Status Signal(int number);

  // Ends the command by its ladder; events go on to Terminated. While the command was not sent yet,
  // the call itself ends instead and Next() returns CANCELLED; one that is just being sent is
  // waited for, 200 ms at most. FAILED_PRECONDITION after the end.
  absl::Status Cancel();

  // Ends the call without waiting for anyone: Next() returns CANCELLED, and the node does with the
  // command as `on_disconnect` says.
  void Abandon();

 private:
  friend class Client;
  class Impl;
  explicit Process(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

struct ConnectOptions {
  std::string target;  // unix:PATH or HOST:PORT ([ADDRESS]:PORT for IPv6). Empty: DefaultTarget().
  absl::Duration connect_timeout = absl::Seconds(10);  // Bound on opening one connection.
};

struct RunOptions {
  uint64_t max_output_bytes = 1 << 20;  // Both streams together; at most 3 MiB.
  // Bound on the call, not on the command (Command::timeout): DEADLINE_EXCEEDED.
  absl::Duration deadline = absl::InfiniteDuration();
};

struct RunResult {
  std::string session_id;
  std::string out;         // Standard output.
  std::string err;         // Standard error.
  bool truncated = false;  // Output beyond `max_output_bytes` was left out.
  Termination termination;
};

// A node to run commands on. Any thread may call any method at any time; processes share its one
// connection and may outlive it.
class Client {
 public:
  // Never waits: the connection is opened by the first call that needs it, and again after a loss.
  // INVALID_ARGUMENT: the target is neither unix:PATH nor HOST:PORT. FAILED_PRECONDITION: it is not
  // on this machine; plaintext is for Unix sockets and loopback only.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(const ConnectOptions& options);

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  // The target in use, e.g. "unix:/run/nacre/nacred.sock".
  const std::string& target() const;

  // Asks the node whether it serves; returns the time this took, which in the first call includes
  // connecting. UNAVAILABLE: no connection, or the node does not serve (any more).
  absl::StatusOr<absl::Duration> Ping(absl::Duration deadline = absl::Seconds(10));

  // Runs a command without input to its end and returns its whole output. Errors as
  // Process::Next().
  absl::StatusOr<RunResult> Run(const Command& command, const RunOptions& options = {});

  // Prepares a command; the first Process::Next() sends it. Never waits. INVALID_ARGUMENT: neither
  // or both of argv and shell_line, or a shell_line that is not UTF-8.
  absl::StatusOr<std::unique_ptr<Process>> Exec(const Command& command);

 private:
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace nacre::client

#endif  // NACRE_CLIENT_H_
