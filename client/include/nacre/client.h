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
// A short command whose output fits in memory needs one call: `(*client)->Run(command)`. A command
// that nobody follows: StartSession(), and later WaitSession() or Attach().
//
// A command outlives connections: when one is lost, Process goes on by itself on the next, with no
// byte lost or doubled, and so do the calls that can be repeated without harm
// (ConnectOptions::resume_for).
//
// A status says whether Nacre did its work; how the command ended is said by its Termination alone.
// Statuses carry the node's code and message, and a reason for programs: see ErrorReason().
#ifndef NACRE_CLIENT_H_
#define NACRE_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace nacre::client {

// Where the node is when nobody says: $NACRE_HOST if it is set and not empty, else
// unix:$XDG_RUNTIME_DIR/nacre/nacred.sock if that variable is set and not empty and this is not
// root, else unix:/run/nacre/nacred.sock.
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

// What the node does with the command when its driver is lost without a Cancel() or Detach().
enum class OnDisconnect {
  kDefault,         // kKeep for StartSession(), else kKillAfterGrace.
  kKillAfterGrace,  // End it by the ladder once `disconnect_grace` has passed.
  kKeep,            // Let it run on.
  kKill,            // End it by the ladder at once.
};

// Whom a kill reaches.
enum class KillScope {
  kSession,       // Everything the command has started, wherever it has gone.
  kProcessGroup,  // The command's process group.
  kLeader,        // Its first process.
};

// Bounds on what a command may use; 0: none. A start fails with FAILED_PRECONDITION/
// LIMIT_UNAVAILABLE where the node can't enforce one.
struct Limits {
  absl::Duration cpu_time;    // Of all its processes together; at least 10 ms.
  uint64_t memory_bytes = 0;  // Likewise.
  uint32_t processes = 0;     // And threads, at once.
  uint32_t open_files = 0;    // Of one process.
  int nice = 0;               // 0 to 19.
  // Of output, both streams together: exactly so many come, then the command is ended with
  // Cause::kOutputLimit.
  uint64_t output_bytes = 0;
};

// A terminal for the command: always one of its own. Cells are at most 65,535 each; 0: not known.
struct Terminal {
  std::string term;  // Value of TERM, e.g. "xterm-256color". Empty: not set.
  uint32_t rows = 0;
  uint32_t columns = 0;
};

// When a session ends whose first process has exited while others still hold its output.
enum class OnLeaderExit {
  kBriefWait,   // After 1 s, in all, of waiting for more: Termination::output_held_open.
  kWaitForEof,  // Once every holder has closed it.
};

// What happens to output that nobody drives once the session's log is full.
enum class Overflow {
  kKeepNewest,  // The oldest goes; who reads across its place gets a Gap.
  kBlock,       // The command waits for a driver.
};

// What to run. Exactly one of `argv`, `shell_line` and `login_shell` is set. Strings are bytes:
// they need not be UTF-8, and hold no NUL. The node refuses what it can't do
// with INVALID_ARGUMENT, naming the field.
struct Command {
  std::vector<std::string> argv;  // Program and arguments; the program is looked up in PATH.
  std::string shell_line;         // A line for /bin/sh -c instead.
  bool login_shell = false;       // The user's own shell instead, as at a login.
  // Added to the node's clean base (PATH, HOME, USER, LOGNAME, SHELL, LANG, NACRE_SESSION_ID).
  std::map<std::string, std::string> env;
  std::string cwd;  // Absolute. Empty: the user's home.
  // Permission bits that files it creates don't get, 0 to 0777. Default: 022.
  std::optional<uint32_t> umask;
  std::string run_as_user;    // UTF-8. Empty: the caller's own; the daemon's for root.
  bool input = false;         // Whether it reads WriteInput(). False: it reads end of file.
  bool merge_stderr = false;  // Whether its standard error joins its standard output, in order.
  // Gives it a terminal, which is its standard input, output and error; all comes as kStdout.
  // Without `input` it reads end of file.
  std::optional<Terminal> terminal;
  // Bound on its run time by the wall clock, kept by the node; at least 1 ms.
  absl::Duration timeout = absl::InfiniteDuration();
  Limits limits;
  KillLadder ladder;
  KillScope kill_scope = KillScope::kSession;
  OnLeaderExit on_leader_exit = OnLeaderExit::kBriefWait;
  OnDisconnect on_disconnect = OnDisconnect::kDefault;
  // How long the node holds what a lost driver lacks. Default: 30 s. At most 24 h.
  std::optional<absl::Duration> disconnect_grace;
  Overflow overflow = Overflow::kKeepNewest;
  // Newest output of each stream that is kept for later readers. 0: 512 KiB, which is also the
  // least; at most 1 MiB.
  uint64_t retention_bytes = 0;
  // How long the session is kept after its end; 0: not at all. Default: 10 min. At most 7 days.
  std::optional<absl::Duration> retention;
  // Labels to find the session by, UTF-8: at most 32, names of 1 to 63 and values of at most 255
  // bytes.
  std::map<std::string, std::string> tags;
  // Says that this start is the same as an earlier one: the node then attaches to that session
  // instead of running the command twice. 1 to 128 printable ASCII characters. Empty: Exec() and
  // StartSession() make up a random one, which makes their own retries safe.
  std::string request_id;
};

enum class OutputStream { kStdout, kStderr };

// Why a session ended. How the process itself ended is said by Termination::result.
enum class Cause {
  kUnknown,       // A cause that this client is too old to know.
  kExited,        // It exited by itself.
  kSignaled,      // A signal that no rule of the session sent.
  kTimedOut,      // Its timeout passed.
  kCancelled,     // A caller cancelled it.
  kOutputLimit,   // It wrote more than its limit.
  kOutOfMemory,   // It ran out of memory.
  kNodeLost,      // The node lost it.
  kDisconnected,  // The caller was lost.
  kCpuLimit       // It used up its limit on CPU time.
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

// What one stream carried in all. Process has compared it with what it received: see Next().
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

// The command runs. First event, but for Disconnected and Resumed.
struct Started {
  std::string session_id;
  std::string owner;          // Identity that started it, e.g. "uid:1000".
  absl::Time start_time;      // By the node's wall clock.
  uint64_t position = 0;      // Of the first output byte to come; 0 for a new session.
  bool has_terminal = false;  // Whether the command's standard streams are a terminal.
  // The session was there before: that of Attach(), or of an earlier start with this request_id.
  bool existed = false;
};

// The command wrote.
struct Output {
  OutputStream stream = OutputStream::kStdout;
  uint64_t position = 0;  // Of the first byte, in the session's log of both streams together.
  std::string_view data;  // Never empty. Valid until the next call of Next().
};

// Output that is no longer kept was skipped. Only for viewers.
struct Gap {
  uint64_t from = 0;  // First position skipped.
  uint64_t to = 0;    // First position after it.
};

// The connection was lost 2 s ago and is not back; Next() goes on trying. Once per loss.
struct Disconnected {
  absl::Status cause;  // UNAVAILABLE: what the last attempt met.
};

// The connection was lost and is back; nothing is missing.
struct Resumed {
  int attempts = 0;     // Calls that it took, at least 1.
  absl::Duration away;  // From the loss to the node's answer.
};

// Another caller has taken over from us. Who has neither left is a viewer: its signals, sizes and
// Cancel() are FAILED_PRECONDITION.
struct TakenOver {
  bool input = false;  // It writes the command's input: ours is refused from now on.
  bool drive = false;  // It drives: output that we are too slow for becomes a Gap.
};

// The session is over. Last event, after the last byte.
struct Terminated {
  Termination termination;
};

// Detach() was obeyed. Last event; the session goes on.
struct Detached {};

using Event =
    std::variant<Started, Output, Gap, Disconnected, Resumed, TakenOver, Terminated, Detached>;

// One command that is followed. Any thread may call any method at any time, but Next() belongs to
// one thread at a time, and none may be running when the object is destroyed. Destroying it before
// the last event ends the call: a driver is then lost to the node, which does with the command as
// `on_disconnect` says.
//
// **When the connection is lost** (UNAVAILABLE without a reason, or with FRONT_RESTARTING), Next()
// opens the next one and goes on where it was: at once, then after 50 ms, doubling to 2 s, each
// give or take half, for ConnectOptions::resume_for at most. Meanwhile input waits once the node's
// window (512 KiB) is full, Cancel() and Detach() are remembered, and so are up to 16 signals. A
// start whose answer was lost is sent again under its request_id, so it runs once as long as the
// node was not restarted. A start that was never sent, for nobody listens there, is not retried.
class Process {
 public:
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  // Waits for the next event. The first call sends the command: before it nothing runs.
  //
  // Coming back for more says that the last output was taken: it is then acknowledged to the node
  // in due course, which stops holding it. The command waits for a driver that doesn't come back.
  //
  // Output is proven complete: positions without a gap, bytes and XXH3-128 of each stream as the
  // node counted them. Of output that was not seen from position 0 on, or in which a viewer met a
  // Gap, only this can be proven: positions without any other gap, ending where the node's count
  // of all streams does. Else the error is DATA_LOSS; it is also a driver's error when output that
  // it lacks is no longer kept.
  //
  // Other errors before Started: the node's (NOT_FOUND/COMMAND_NOT_FOUND, FAILED_PRECONDITION/
  // COMMAND_NOT_EXECUTABLE, INVALID_ARGUMENT, PERMISSION_DENIED, RESOURCE_EXHAUSTED,
  // ALREADY_EXISTS/REQUEST_ID_REUSED, UNIMPLEMENTED; of Attach(): NOT_FOUND, OUT_OF_RANGE/
  // POSITION_NOT_KEPT), UNAVAILABLE when there is no connection. Later: UNAVAILABLE when it is lost
  // and does not come back in time, with the session's id in the message; NOT_FOUND/NODE_RESTARTED
  // when the node was restarted, which ended the command; RESOURCE_EXHAUSTED/READER_TOO_SLOW for a
  // viewer that was away from Next() for 60 s. CANCELLED after Abandon(). An error ends the
  // process, as Terminated and Detached do: FAILED_PRECONDITION from then on.
  absl::StatusOr<Event> Next();

  // Hands over bytes for the command's standard input; waits until there is room for them. Room is
  // announced by events, so another thread must be in Next(), or keep calling it, meanwhile. Bytes
  // handed over are kept until the command was given them, and sent again after a loss.
  // FAILED_PRECONDITION without Command::input (AttachOptions::input), after CloseInput(), once the
  // command has ended (also while waiting), and once another caller writes the input; the error of
  // Next() once that has failed.
  absl::Status WriteInput(std::string_view data);

  // The command reads end of file after what was written. Waits and fails as WriteInput.
  absl::Status CloseInput();

  // Sends a signal to the command, past any input that waits. `number`: Linux, 1 to 64. Never sent
  // twice: UNAVAILABLE when the connection is lost right under it, or when 16 signals wait for the
  // next one already. FAILED_PRECONDITION before the command was sent, after its end, and for a
  // viewer.
  absl::Status Signal(int number, KillScope scope = KillScope::kSession);

  // Gives the command's terminal a new size; cells as in Terminal. While the connection is lost the
  // last size waits for the next one. The node ends the call with INVALID_ARGUMENT if the command
  // has no terminal. FAILED_PRECONDITION before the command was sent, after its end, and for a
  // viewer.
  absl::Status Resize(uint32_t rows, uint32_t columns);

  // Ends the command by its ladder; events go on to Terminated. While the command was not sent yet,
  // the call itself ends instead and Next() returns CANCELLED; one that is just being sent is
  // waited for, 200 ms at most. FAILED_PRECONDITION after the end, and for a viewer.
  absl::Status Cancel();

  // Leaves the session running, whatever its `on_disconnect`; events go on to Detached, or to
  // Terminated if that comes first. The next driver begins with the output after the last one that
  // Next() was called again for. FAILED_PRECONDITION before the command was sent and after its end.
  absl::Status Detach();

  // Ends the call without waiting for anyone: Next() returns CANCELLED, and to the node we are
  // lost.
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
  // How long a process or a call tries to go on after its connection was lost. 0: it doesn't.
  absl::Duration resume_for = absl::Seconds(60);
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

// What a process on a session that exists may do.
struct AttachOptions {
  // Be its driver: the command waits for us, and who drove it before is a viewer from now on.
  // False: view.
  bool drive = true;
  // Write its input: who did before no longer can. Needs a command with input.
  bool input = false;
  // Where to begin. Default: for a driver the first byte that the last one has not acknowledged,
  // or the oldest kept; for a viewer the end of what there is.
  std::optional<uint64_t> position;
};

enum class SessionState {
  kUnknown,   // A state that this client is too old to know.
  kStarting,  // Its start is under way.
  kRunning,   // The command runs.
  kEnded,     // It is over; record and output are retained.
};

// The name as the node's API has it, in lower case, e.g. "running".
std::string_view SessionStateName(SessionState state);

// A session as it was when asked.
struct SessionInfo {
  std::string id;
  absl::Time start_time;    // By the node's wall clock.
  std::string owner;        // Identity that started it, e.g. "uid:1000".
  std::string run_as_user;  // User that the command runs as.
  SessionState state = SessionState::kUnknown;
  std::string command_line;  // For people: quoted as for a shell, cut off at 1 KiB.
  std::map<std::string, std::string> tags;
  std::string request_id;
  uint64_t end_position = 0;   // After the last output byte.
  uint64_t kept_position = 0;  // Oldest that a reader can begin at.
  bool driven = false;         // Whether somebody drives it.
  bool has_terminal = false;
  // Once it has ended:
  std::optional<Termination> termination;
  std::optional<absl::Time> expire_time;  // When it is forgotten, by the node's wall clock.
};

struct StartResult {
  SessionInfo session;
  // An earlier start with this request_id had started it; this one started nothing.
  bool already_started = false;
};

// Which sessions to list.
struct SessionFilter {
  std::optional<SessionState> state;        // Default: in any state.
  std::map<std::string, std::string> tags;  // Only those that have all of these.
};

struct SessionPage {
  std::vector<SessionInfo> sessions;  // Oldest first.
  std::string next_page_token;        // Empty: this is the last page.
};

// An address at which a node serves callers.
struct NodeListener {
  std::string name;              // The node's own name of it, e.g. "grpc-0" or "compat-1".
  std::string address;           // unix:PATH or HOST:PORT.
  std::string dialect;           // Protocol of older clients, e.g. "framed"; empty: gRPC.
  bool requires_secret = false;  // Callers must prove that they know a shared secret.
  std::string warning;           // What is risky about it, for people; empty: nothing.
};

// How a kill finds the processes that a command has started.
enum class KillMethod {
  kUnknown,  // One that this client is too old to know, or the node too old to say.
  kCgroup,   // By the session's cgroup: all of them.
  kSearch,   // Among all processes: one that has left its group, parent and environment is missed.
};

// The name as the node's API has it, in lower case, e.g. "cgroup".
std::string_view KillMethodName(KillMethod method);

// What a node takes at most, besides NodeInfo::max_sessions; more fails or waits, as node.proto
// says.
struct NodeLimits {
  // Of the daemon, held by all sessions that run: 2 to 4 each. 0: it is too old to say.
  uint64_t max_session_descriptors = 0;
  uint64_t max_request_bytes = 0;  // Of one message.
  uint32_t max_calls_per_connection = 0;
  uint32_t max_open_files = 0;           // Of all callers, to be read, written or watched.
  uint32_t max_file_calls_per_user = 0;  // At once.
  uint64_t max_retention_bytes = 0;      // Of one stream.
  uint64_t input_window_bytes = 0;       // That the command has yet to read.
};

// How busy a node is: its machine, for all that runs there, and what its callers have under way.
struct NodeLoad {
  double load_average_1m = 0;  // Processes that run or wait, on average over a minute.
  double load_average_5m = 0;
  double load_average_15m = 0;
  uint32_t cpus = 0;  // Online. 0: not known; so are those of memory.
  uint64_t memory_bytes = 0;
  uint64_t available_memory_bytes = 0;  // Without swapping.
  uint32_t own_running_sessions = 0;    // Of this caller.
  uint32_t open_files = 0;              // Of all callers.
  uint32_t file_calls = 0;              // Of all callers, under way.
};

// A node as it was when asked. Times are by its wall clock; strings are its own words, for a
// terminal to be escaped.
struct NodeInfo {
  // What it is known by across restarts of its daemon: 32 hexadecimal digits. Empty: the daemon is
  // too old to say.
  std::string id;
  std::string version;    // Release, e.g. "0.1.0".
  std::string epoch;      // First part of its session ids; new whenever the daemon starts.
  std::string host_name;  // What is not printable ASCII is escaped as in C.
  // Of the daemon. Absent, and 0: it is too old to say.
  std::optional<absl::Time> start_time;
  uint32_t daemon_pid = 0;
  // Of its network process, which may be replaced at any time; sessions go on.
  uint32_t front_pid = 0;
  absl::Time front_start_time;
  std::string user;                       // User that the daemon runs as.
  std::string front_user;                 // And the network process: a name, or "uid:N".
  std::vector<std::string> run_as_users;  // Users whom commands may run as.
  std::vector<NodeListener> listeners;
  uint32_t running_sessions = 0;  // Of all callers.
  uint32_t ended_sessions = 0;    // Of all callers; retained.
  uint32_t max_sessions = 0;      // May run at once, if open files allow so many.
  KillMethod kill_method = KillMethod::kUnknown;
  bool draining = false;  // It takes no new sessions: since a Drain(), or as it shuts down.
  bool stopping = false;  // It shuts down.
  std::map<std::string, std::string> labels;  // What its operator says of it.
  // Absent: the node is too old to say.
  std::optional<NodeLimits> limits;
  std::optional<NodeLoad> load;
};

struct Connection;

// A node to run commands on; for its files see nacre/files.h. Any thread may call any method at any
// time; processes share its one connection and may outlive it.
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

  // Prepares a command; the first Process::Next() sends it. Never waits. INVALID_ARGUMENT: not one
  // of argv, shell_line and login_shell, or what has to be UTF-8 and is not.
  absl::StatusOr<std::unique_ptr<Process>> Exec(const Command& command);

  // Prepares to follow a session that exists; the first Process::Next() asks for it. Never waits.
  // INVALID_ARGUMENT: an id that is not UTF-8.
  absl::StatusOr<std::unique_ptr<Process>> Attach(const std::string& session_id,
                                                  const AttachOptions& options = {});

  // The calls below wait for the node's answer. When the connection is lost they ask again, for
  // ConnectOptions::resume_for; all of them can be repeated without harm, but for SignalSession(),
  // which fails then. UNAVAILABLE at once when nobody listens, unless one of them was answered
  // before. Those that name a session: NOT_FOUND when there is none, or none that this caller may
  // see, with NODE_RESTARTED when it ended with the node.

  // Tells what the node is and how it is doing. UNIMPLEMENTED: it is too old to tell.
  absl::StatusOr<NodeInfo> GetNode();

  // Makes the node refuse new sessions, with UNAVAILABLE/DRAINING, or with `undo` take them again.
  // Those that run go on and stay within reach. It does not end by this, but a restart of its
  // daemon undoes it. Returns the node once that is in force. PERMISSION_DENIED/POLICY_DENIED: this
  // caller may not. UNIMPLEMENTED: the node is too old.
  absl::StatusOr<NodeInfo> Drain(bool undo = false);

  // Starts a command that nobody follows yet; returns once it runs. Errors as Process::Next()
  // before Started.
  absl::StatusOr<StartResult> StartSession(const Command& command);

  absl::StatusOr<SessionInfo> GetSession(const std::string& session_id);

  // One page of at most 1,000 sessions; the next with this one's `next_page_token`.
  absl::StatusOr<SessionPage> ListSessions(const SessionFilter& filter,
                                           const std::string& page_token = "");

  // Waits until the session has ended or `timeout` has passed: SessionInfo::state tells which.
  absl::StatusOr<SessionInfo> WaitSession(const std::string& session_id,
                                          absl::Duration timeout = absl::InfiniteDuration());

  // Ends the session by its ladder, without waiting for its end; record and output stay.
  absl::StatusOr<SessionInfo> EndSession(const std::string& session_id);

  // Sends a signal to the command. FAILED_PRECONDITION/SESSION_ENDED; INVALID_ARGUMENT: no signal.
  absl::Status SignalSession(const std::string& session_id, int number,
                             KillScope scope = KillScope::kSession);

  // Gives a session's terminal a new size. FAILED_PRECONDITION/SESSION_ENDED; INVALID_ARGUMENT: it
  // has none.
  absl::Status ResizeTerminal(const std::string& session_id, uint32_t rows, uint32_t columns);

  // Forgets an ended session, or with `force` any. FAILED_PRECONDITION/SESSION_RUNNING.
  absl::Status DeleteSession(const std::string& session_id, bool force = false);

 private:
  friend class Files;
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);

  const Connection& connection() const;

  std::unique_ptr<Impl> impl_;
};

}  // namespace nacre::client

#endif  // NACRE_CLIENT_H_
